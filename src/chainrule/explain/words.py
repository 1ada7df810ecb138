"""What stands between the formulas of a derivation, in the languages that people learn from: one sentence for each rule."""

from __future__ import annotations

from collections.abc import Mapping

from ..calculus.steps import ENGLISH, Rule

RUSSIAN: Mapping[Rule, str] = {
    Rule.GIVEN: "исходная формула прямого прохода",
    Rule.LOSS: "∂E/∂E = 1",
    Rule.CHAIN: "правило дифференцирования сложной функции, через {каждый|все} {0}",
    Rule.SUBSTITUTE: "подставим {выражение|выражения} для {0}",
    Rule.SUM: "производная суммы равна сумме производных",
    Rule.MEAN: "производная среднего равна среднему производных",
    Rule.FACTOR: "постоянный множитель выносится за знак производной: (c * f)' = c * f'",
    Rule.PRODUCT: "производная произведения",
    Rule.QUOTIENT: "производная частного",
    Rule.POWER: "производная степени",
    Rule.FUNCTION: "производная сложной функции: {0}'(a) = {1}",
    Rule.CHOICE: "берём производную той ветви, которая выбрана",
    Rule.WINNER: "{0} — номер наибольшего элемента, из равных — первого",
    Rule.WON: "остаётся только элемент, на который указывает {0}",
    Rule.PLACE: "∂x[k]/∂x[r] = δ(k, r)",
    Rule.COLLAPSE: "{0} {оставляет|оставляют} в сумме одно слагаемое: {1}",
    Rule.BOUNDS: "условия на индексы, которые выполнены всегда, опускаем",
    Rule.SIMPLIFY: "{0}: {1} = {2}",
    Rule.PARTS: "каждая часть упрощена",
    Rule.CANCELS: "{0} {сокращается|сокращаются}: выходы от {него|них} не зависят",
    Rule.NAME: "обозначим это через {0}",
    Rule.WRITTEN_OUT: "каждый элемент отдельно, суммы расписаны по слагаемым",
    Rule.GATHER: "складываем вклады всех вхождений",
    Rule.NOTHING: "от этой величины ничего не зависит",
}

FRENCH: Mapping[Rule, str] = {
    Rule.GIVEN: "la formule de la propagation avant",
    Rule.LOSS: "∂E/∂E = 1",
    Rule.CHAIN: "règle de dérivation en chaîne, à travers {chaque|tous les} {0}",
    Rule.SUBSTITUTE: "on remplace {0} par {son expression|leurs expressions}",
    Rule.SUM: "la dérivée d'une somme est la somme des dérivées",
    Rule.MEAN: "la dérivée d'une moyenne est la moyenne des dérivées",
    Rule.FACTOR: "un facteur constant sort de la dérivée : (c * f)' = c * f'",
    Rule.PRODUCT: "dérivée d'un produit",
    Rule.QUOTIENT: "dérivée d'un quotient",
    Rule.POWER: "dérivée d'une puissance",
    Rule.FUNCTION: "dérivée d'une fonction composée : {0}'(a) = {1}",
    Rule.CHOICE: "la dérivée de la branche retenue",
    Rule.WINNER: "{0} désigne le plus grand terme, le premier en cas d'égalité",
    Rule.WON: "seul le terme désigné par {0} compte",
    Rule.PLACE: "∂x[k]/∂x[r] = δ(k, r)",
    Rule.COLLAPSE: "{0} ne {laisse|laissent} qu'un terme de la somme : {1}",
    Rule.BOUNDS: "on omet les conditions sur les indices qui sont toujours vérifiées",
    Rule.SIMPLIFY: "{0} : {1} = {2}",
    Rule.PARTS: "chaque partie simplifiée",
    Rule.CANCELS: "{0} {s'élimine|s'éliminent} : aucune sortie n'en dépend",
    Rule.NAME: "on note {0} cette quantité",
    Rule.WRITTEN_OUT: "chaque élément séparément, ses sommes développées",
    Rule.GATHER: "on additionne les contributions de toutes les occurrences",
    Rule.NOTHING: "rien n'en dépend",
}

CHINESE: Mapping[Rule, str] = {
    Rule.GIVEN: "前向传播公式",
    Rule.LOSS: "∂E/∂E = 1",
    Rule.CHAIN: "链式法则：经过每个 {0}",
    Rule.SUBSTITUTE: "代入 {0} 的表达式",
    Rule.SUM: "和的导数等于导数的和",
    Rule.MEAN: "平均值的导数等于导数的平均值",
    Rule.FACTOR: "常数因子提到导数外：(c * f)' = c * f'",
    Rule.PRODUCT: "乘积求导法则",
    Rule.QUOTIENT: "商的求导法则",
    Rule.POWER: "幂函数求导法则",
    Rule.FUNCTION: "复合函数求导：{0}'(a) = {1}",
    Rule.CHOICE: "取被选中分支的导数",
    Rule.WINNER: "{0} 记录最大项的位置，相等时取第一个",
    Rule.WON: "只有 {0} 所指的那一项起作用",
    Rule.PLACE: "∂x[k]/∂x[r] = δ(k, r)",
    Rule.COLLAPSE: "{0} 使和式只剩一项：{1}",
    Rule.BOUNDS: "省略总是成立的下标条件",
    Rule.SIMPLIFY: "{0}：{1} = {2}",
    Rule.PARTS: "逐部分化简",
    Rule.CANCELS: "{0} 相消：输出不随它变化",
    Rule.NAME: "记作 {0}",
    Rule.WRITTEN_OUT: "逐个元素写出，和式展开",
    Rule.GATHER: "把各处的贡献相加",
    Rule.NOTHING: "没有任何量依赖于它",
}

WORDS: Mapping[str, Mapping[Rule, str]] = {"en": ENGLISH, "ru": RUSSIAN, "fr": FRENCH, "zh": CHINESE}

# What stands over a derivation and its results.
HEADINGS: Mapping[str, Mapping[str, str]] = {
    "en": {"title": "{0}", "result": "Result"},
    "ru": {"title": "Вывод: {0}", "result": "Итог"},
    "fr": {"title": "Calcul : {0}", "result": "Résultat"},
    "zh": {"title": "推导：{0}", "result": "结果"},
}

# Names of laws of algebra, and other words of steps: English, Russian, French, Chinese.
PHRASES = """
numbers and equal factors | числа и равные множители | nombres et facteurs égaux | 合并数字与相同因子
one fraction | одна дробь | une seule fraction | 合成一个分式
power of a fraction | степень дроби | puissance d'une fraction | 分式的幂
a known value | известное значение | une valeur connue | 已知的值
roots | корни | racines | 根式
known logarithm | известный логарифм | logarithme connu | 已知的对数
share of a sum | доля суммы | part d'une somme | 占总和的比例
the right place | равные индексы | indices égaux | 下标相等
like terms | подобные слагаемые | termes semblables | 合并同类项
common factor | общий множитель | facteur commun | 提取公因式
product written out | раскрываем скобки | on développe le produit | 展开乘积
brackets multiplied out | перемножаем скобки | on développe les parenthèses | 去括号相乘
all remainders | перебор всех остатков | tous les restes | 所有余数
a minus turned | меняем знак | on change le signe | 变号
both branches | обе ветви | les deux branches | 合并两个分支
a factor leaves the sum | множитель выносится за знак суммы | un facteur sort de la somme | 因子提到求和号外
a delta leaves one term | дельта оставляет одно слагаемое | un delta ne laisse qu'un terme | δ 使求和只剩一项
equal terms | равные слагаемые | termes égaux | 相同的项
deviations from a mean | отклонения от среднего | écarts à la moyenne | 与平均值的偏差
one of all classes | ровно один класс | exactement une classe | 恰有一个类别
exponent of a difference | экспонента разности | exponentielle d'une différence | 差的指数
logarithm of a product | логарифм произведения | logarithme d'un produit | 乘积的对数
{0} of {1} | {0} для {1} | {0} de {1} | {1} 的 {0}
the tangents of {1} by {0} | касательные {1} по {0} | les tangentes de {1} par rapport à {0} | {1} 沿 {0} 的切向量
second derivative: {0} | вторая производная: {0} | dérivée seconde : {0} | 二阶导数：{0}
"""
COLUMNS = ("en", "ru", "fr", "zh")
TABLE: Mapping[str, Mapping[str, str]] = {
    cells[0]: dict(zip(COLUMNS, cells, strict=True)) for row in PHRASES.strip().split("\n") for cells in [[c.strip() for c in row.split("|")]]
}


def phrase(words: str, language: str) -> str:
    """Words in a language; as they are, where there is nothing to say them with."""
    return TABLE.get(words, {}).get(language, words)
