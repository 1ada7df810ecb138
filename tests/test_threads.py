"""Threads, processes and signals: from anywhere, at any moment, results are right and nothing hangs.

What could hang runs in a process of its own, with a time-out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines.native import driver, pool, program
from chainrule.errors import ArgumentError, ChainruleError, ElementTypeError, ShapeError
from chainrule.train.optim import SGD
from chainrule.train.step import TrainStep

HEAD = """
    import atexit, itertools, os, random, signal, sys, threading, time
    import numpy as np
    import chainrule as cr
    from chainrule import nn

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process started in the background inherits that it is ignored
    def swallowed(what):
        "Python drops what a handler raises in the middle of a finaliser, and only says so: whoever pressed Ctrl-C presses it again"
        if what.exc_type is KeyboardInterrupt:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    sys.unraisablehook = swallowed
    rng = np.random.default_rng(0)
    MIX = cr.op("mix(x[n,D], w[D,E]) -> y[n,E]\\n y[n,e] = sum[d](x[n,d] * w[d,e]) + sum[d](tanh(x[n,d]))")
    GREAT = cr.op("great(x[n]) -> y[n]\\n y[n] = sum[j:30000000000](sin(j*x[n]))")  # minutes

    def net():
        return nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 5)).init(seed=0)

    def pairs(*sizes):
        return [(rng.normal(size=(n, 12)).astype(np.float32), rng.integers(0, 5, n)) for n in sizes]

    def same(a, b):
        if isinstance(a, dict):
            return all(same(a[k], b[k]) for k in a)
        if isinstance(a, tuple):
            return all(map(same, a, b))
        return np.array_equal(a, b)

    def together(count, work):
        "work(k) from as many threads at once; what any of them raises is raised here"
        wrong = []
        def run(k):
            try:
                work(k)
            except BaseException as e:
                wrong.append(repr(e))
        threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not wrong, wrong
"""


def python(code: str, seconds: float = 60, **environment: str) -> str:
    """What a fresh process prints; it must end by itself, without an error."""
    text = textwrap.dedent(HEAD) + textwrap.dedent(code)
    where = {"PYTHONPATH": str(Path(cr.__file__).parents[1]), "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=seconds, env=os.environ | where | environment, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout


@pytest.mark.parametrize("count", [4, 16])
def test_any_number_of_threads_may_call_the_same_network_operation_and_gradient(count: int) -> None:
    python(
        f"""
        net, data = net(), pairs(1, 7, 40, 129, 600)
        evaluate = cr.value_and_grad(net, nn.CrossEntropyLoss())
        w = rng.normal(size=(12, 9)).astype(np.float32)
        calls = [lambda t, x=x, y=y: evaluate(x, y, threads=t) for x, y in data]
        calls += [lambda t, x=x: net(x, threads=t) for x, _ in data] + [lambda t, x=x: MIX(x, w, threads=t) for x, _ in data]
        alone = [f(1) for f in calls]
        def work(k):
            for r in range(60):
                i = (7 * k + 5 * r) % len(calls)
                assert same(calls[i](2), alone[i]), i
        together({count}, work)
        """
    )


def test_threads_may_make_the_first_call_at_once() -> None:
    python(
        """
        net, data = net(), pairs(1, 7, 40, 129)
        evaluate = cr.value_and_grad(net, nn.CrossEntropyLoss())
        found = {}
        def work(k):
            x, t = data[k % len(data)]
            found[k] = evaluate(x, t, threads=2), net(x, threads=2), cr.ops.softmax(x, threads=2)
        together(16, work)
        assert all(same(found[k], found[k % 4]) for k in range(16))
        """
    )


def test_a_thousand_small_calls_on_two_threads() -> None:
    python(
        """
        x = rng.normal(size=(40, 12)).astype(np.float32)
        w = rng.normal(size=(12, 300)).astype(np.float32)
        want = MIX(x, w, threads=1)
        for _ in range(1000):
            assert same(MIX(x, w, threads=2), want)
        """
    )


def test_more_threads_than_make_sense() -> None:
    x, w = np.ones((400, 12), np.float32), np.ones((12, 300), np.float32)
    op = cr.op("mix(x[n,D], w[D,E]) -> y[n,E]\n y[n,e] = sum[d](x[n,d] * w[d,e])")
    assert np.array_equal(op(x, w, threads=2000), op(x, w, threads=1))


LISTENING = """
    def interrupted(f, after):
        "f() with Ctrl-C so many seconds after it began; how long it then took to be heard"
        sent = []
        def send():
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        timer = threading.Timer(after, send)
        try:
            timer.start()
            f()
            timer.join()
            time.sleep(1)
        except KeyboardInterrupt:
            return time.perf_counter() - sent[0]
        raise AssertionError("not heard")
"""


def test_control_c_at_any_moment_of_many_short_calls() -> None:
    python(
        textwrap.dedent(LISTENING)
        + textwrap.dedent("""
        net, data = net(), pairs(3, 40, 300, 1500)
        evaluate = cr.value_and_grad(net, nn.CrossEntropyLoss())
        want = [(evaluate(x, t, threads=1), net(x, threads=1)) for x, t in data]
        def on():
            for k in itertools.count():
                x, t = data[k % 4]
                assert same((evaluate(x, t, threads=2), net(x, threads=2)), want[k % 4])
        for k in range(30):
            assert interrupted(on, random.uniform(0.01, 0.2)) < 20
            assert all(same((evaluate(x, t, threads=2), net(x, threads=2)), w) for (x, t), w in zip(data, want))
        """)
    )


@pytest.mark.parametrize("clock", [True, False])
def test_control_c_in_a_call_that_takes_minutes(clock: bool) -> None:
    python(
        textwrap.dedent(LISTENING)
        + textwrap.dedent(f"""
        from chainrule.engines.native import driver
        driver.CLOCK = driver.CLOCK and {clock}
        os.environ["CHAINRULE_CACHE"] = "off"
        product = cr.op("product(x[A,B], w[B,C]) -> y[A,C]\\n y[a,c] = sum[b](x[a,b] * w[b,c])")
        many = cr.op("many(x[n,D]) -> y[n,D]\\n y[n,d] = sum[j:3000000](sin(j*x[n,d]))")
        scatter = cr.op("gather(x[A,B]) -> y[A]\\n y[a] = max[b:B,c:100000](x[(a*b)%A,(b*c)%B])")
        a, b = np.ones((9000, 6000), np.float32), np.ones((6000, 9000), np.float32)
        small = np.ones((200, 200))
        for f in (lambda t: GREAT(np.ones(1), threads=t), lambda t: GREAT(np.ones(100), threads=t), lambda t: product(a, b, threads=t),
                  lambda t: many(np.ones((5, 7)), threads=t), lambda t: many(np.ones((1000, 2)), threads=t), lambda t: scatter(small, threads=t)):
            for threads in (1, 2):
                took = interrupted(lambda: f(threads), 0.25)
                print(f"{{took:.3f}}")
                assert took < 20, took
        x = np.linspace(-1, 1, 500)
        assert same(cr.ops.relu(x[:, None], threads=2), np.maximum(x, 0)[:, None])
        """),
        110,
    )


def test_control_c_in_the_middle_of_compiling() -> None:
    """What was begun goes as garbage, in whatever order Python frees it."""
    python(
        """
        import gc
        os.environ["CHAINRULE_CACHE"] = "off"
        from chainrule.engines.native import compile as compiler
        x, heard, began = np.ones((20, 20)), [], []
        real = compiler.parsed
        def parsed(text):
            began.append(threading.Timer(random.random() * 0.03, os.kill, (os.getpid(), signal.SIGINT)))
            began[-1].start()
            return real(text)
        compiler.parsed = parsed
        for k in range(40):
            try:
                cr.op(f"some(x[A,B]) -> y[A]\\n y[a] = max[b:B,c:{1000+k}](x[(a*b)%A,(b*c)%B])")(x)
                began[-1].join()
                time.sleep(1)
            except KeyboardInterrupt:
                heard.append(k)
            gc.collect()
        assert heard == list(range(40))
        compiler.parsed = real
        assert cr.op("next(x[A,B]) -> y[A]\\n y[a] = max[b:B](x[a,b])")(x)[0] == 1
        """
    )


FIRST = """
    os.environ["CHAINRULE_CACHE"] = "off"
    from chainrule.engines.native import program
    assert not program._loaded, "the planner is there before it is asked for"
    def works(k):
        "in a process that has made no code yet"
        f = cr.op(f"first(x[n]) -> y[n]\\n y[n] = {k} * x[n]")
        return same(f(np.ones(3)), np.full(3, k + 0.0))
    def left(work):
        "the exit code of a child that does this"
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = 0 if work() else 2
            except BaseException:
                import traceback; traceback.print_exc()
            finally:
                os._exit(code)
        end = time.time() + 60
        while time.time() < end:
            got, status = os.waitpid(pid, os.WNOHANG)
            if got: return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
        return "hung"
    def interrupted(handler, k):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.004 * k)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_an_interrupted_first_call() -> None:
    """The planner is imported by the first call that needs it; wherever that is broken off, the next call has all of it."""
    python(
        textwrap.dedent(FIRST)
        + textwrap.dedent("""
        def stop(*_): raise KeyboardInterrupt
        def broken_off(k):
            try:
                interrupted(stop, k)
                works(2)
                time.sleep(2)
            except KeyboardInterrupt:
                pass
            return works(3)
        codes = [left(lambda: broken_off(4 * k)) for k in range(9)]
        assert codes == [0] * 9, codes
        """),
        110,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("forks", [False, True])
def test_a_signal_handler_in_the_middle_of_a_first_call(forks: bool) -> None:
    python(
        textwrap.dedent(FIRST)
        + textwrap.dedent(f"""
        def handled(k):
            codes = []
            interrupted(lambda *_: codes.append(left(lambda: works(2)) if {forks} else 1 - works(2)), k)
            ok = works(3)
            while not codes: time.sleep(0.01)
            return ok and codes == [0]
        codes = [left(lambda: handled(4 * k)) for k in range(9)]
        assert codes == [0] * 9, codes
        """),
        110,
    )


def test_what_a_signal_handler_raises_comes_out_of_the_call() -> None:
    python(
        """
        class Bell(Exception): pass
        def ring(*_): raise Bell
        signal.signal(signal.SIGALRM, ring)
        GREAT.code(np.ones(40))  # compiled before: a finaliser of LLVM's objects would swallow what the handler raises
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            GREAT(np.ones(40), threads=2)
        except Bell:
            sys.exit(0)
        raise AssertionError
        """
    )


def test_a_signal_handler_may_call_the_very_operation_that_runs() -> None:
    out = python(
        """
        slow = cr.op("slow(x[n]) -> y[n]\\n y[n] = sum[j:500000](sin(j*x[n]))")
        x = np.linspace(0, 1, 64)
        want = {t: slow(x, threads=t) for t in (1, 2)}
        seen = []
        def handler(*_):
            seen.append(same(slow(x, threads=2), want[1]))
        signal.signal(signal.SIGALRM, handler)
        for t in (1, 2):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            assert same(slow(x, threads=t), want[1])
        print(seen)
        """,
        100,
    )
    assert out.strip() == "[True, True]"


def test_a_thread_that_cannot_start_only_means_fewer() -> None:
    python(
        """
        class Refused(threading.Thread):
            def start(self): raise RuntimeError("can't start new thread")
        x = rng.normal(size=(400, 12)).astype(np.float32)
        w = rng.normal(size=(12, 300)).astype(np.float32)
        want, normal = MIX(x, w, threads=1), threading.Thread
        threading.Thread = Refused
        assert same(MIX(x, w, threads=4), want)
        threading.Thread = normal
        assert same(MIX(x, w, threads=4), want)
        threading.Thread = Refused
        assert same(MIX(x, w, threads=9), want)
        """
    )


FORKING = """
    net, data = net(), pairs(3, 40, 300)
    evaluate = cr.value_and_grad(net, nn.CrossEntropyLoss())
    want = [(evaluate(x, t, threads=1), net(x, threads=1)) for x, t in data]
    stop = False
    def load(k):
        for r in itertools.count():
            if stop: return
            x, t = data[r % 3]
            assert same((evaluate(x, t, threads=2), net(x, threads=2)), want[r % 3])
            if k == 0:  # and one compiles all the time
                f = cr.op(f"f(x[n]) -> y[n]\\n y[n] = {r % 1000} * x[n] + {os.getpid()}")
                f(np.ones(3)), f.gradient(["x"])
    def child(n):
        "in a forked process: everything works, also what is new"
        code = 1
        try:
            assert all(same((evaluate(x, t, threads=2), net(x, threads=2)), w) for (x, t), w in zip(data, want))
            assert same(cr.op(f"g(x[n]) -> y[n]\\n y[n] = {n} * x[n] + 1")(np.ones(40), threads=2), np.full(40, n + 1.0))
            code = 0
        except BaseException:
            import traceback; traceback.print_exc()
        finally:
            os._exit(code)
    def ended(pid, seconds):
        end = time.time() + seconds
        while time.time() < end:
            got, status = os.waitpid(pid, os.WNOHANG)
            if got: return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
        return "hung"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks_of_a_process_whose_threads_run_and_compile() -> None:
    python(
        textwrap.dedent(FORKING)
        + textwrap.dedent("""
        threads = [threading.Thread(target=load, args=(k,)) for k in range(4)]
        [t.start() for t in threads]
        codes = []
        for n in range(24):
            pid = os.fork()
            if not pid: child(n)
            codes.append(ended(pid, 30))
        stop = True
        [t.join() for t in threads]
        assert codes == [0] * 24, codes
        """),
        110,
        CHAINRULE_CACHE="off",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_memory_of_its_own() -> None:
    """Large buffers too: what the child computes does not appear in the parent's arrays."""
    x = np.ones((1000, 2000), np.float32)
    y = cr.ops.relu(x)
    pid = os.fork()
    if not pid:
        y[...] = 7
        os._exit(0)
    os.waitpid(pid, 0)
    assert np.array_equal(y, x)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_middle_of_a_run_does_not_hang_the_child() -> None:
    python(
        textwrap.dedent(FORKING)
        + textwrap.dedent("""
        pids = []
        def handler(*_):
            pid = os.fork()
            if pid:
                pids.append(pid)
                raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, handler)
        for threads in (1, 2):
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            try:
                cr.op("some(x[n]) -> y[n]\\n y[n] = sum[j:2000000](sin(j*x[n]))")(np.ones(40), threads=threads)
            except KeyboardInterrupt:
                assert ended(pids[-1], 60) == 0
                continue
            except cr.errors.ChainruleError as e:
                assert "fork" in str(e) and threads == 2
            child(3)
        """),
        100,
    )


@pytest.mark.parametrize("before", [True, False])
def test_an_operation_while_the_process_ends(before: bool) -> None:
    """Whether or not there are helpers by then."""
    out = python(
        f"""
        x, w = np.ones((400, 12), np.float32), np.ones((12, 300), np.float32)
        if {before}:
            MIX(x, w, threads=2)
        @atexit.register
        def last():
            print(same(MIX(x, w, threads=2), MIX(x, w, threads=1)))
        """
    )
    assert out.strip() == "True"


def test_a_process_ends_while_helpers_and_threads_work() -> None:
    python(
        """
        for k in range(3):
            threading.Thread(target=GREAT, args=(np.ones(40),), kwargs={"threads": 2}, daemon=True).start()
        time.sleep(0.5)
        """
    )


# Training -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupted_training_has_made_whole_steps(threads: int) -> None:
    python(
        f"""
        from chainrule.train.optim import SGD
        from chainrule.train.step import TrainStep
        def make():
            network = net()
            x, t = np.random.default_rng(1).normal(size=(4000, 12)).astype(np.float32), np.arange(4000) % 5
            return network, TrainStep(network, nn.CrossEntropyLoss(), SGD(0.01, 0.9), x, t, 400, None, {threads})
        def state(network, step):
            return b"".join(a.tobytes() for a in (*network.values.values(), *step.states.values()))
        order = np.arange(4000)
        network, step = make()
        step.run(order)
        long = np.resize(order, 4000 * 20000)
        for _ in range(2):
            network, step = make()
            threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
            began = time.perf_counter()
            try:
                step.run(long)
                raise AssertionError("not heard")
            except KeyboardInterrupt:
                took = time.perf_counter() - began
            assert took < 20, took
            found = state(network, step)
            again, other = make()
            for k in range(1_000_000):
                if state(again, other) == found: break
                other.run(order[400 * (k % 10):][:400])
                assert time.perf_counter() - began < 60, "no number of steps leads there"
            print(k, "steps")
            step.run(order)
        """,
        110,
    )


def test_control_c_in_fit_leaves_a_sound_network() -> None:
    out = python(
        """
        from chainrule.train.optim import SGD
        network = net()
        x, t = rng.normal(size=(60000, 12)).astype(np.float32), rng.integers(0, 5, 60000)
        cr.fit(network, nn.CrossEntropyLoss(), SGD(0.01, 0.9), (x, t), epochs=1, batch_size=64, threads=2)  # compiled
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            cr.fit(network, nn.CrossEntropyLoss(), SGD(0.01, 0.9), (x, t), epochs=100000, batch_size=64, threads=2)
        except KeyboardInterrupt as e:
            print(len(e.history) >= 0, all(np.isfinite(v).all() for v in network.values.values()), np.isfinite(network(x)).all())
        """
    )
    assert out.strip() == "True True True"


# The last proof -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def step() -> TrainStep:
    net = nn.Sequential(nn.Linear(3, 2)).init(seed=0)
    return TrainStep(net, nn.CrossEntropyLoss(), SGD(0.1, 0.9), np.ones((10, 3), np.float32), np.zeros(10, np.int64), 4)


def run(step: TrainStep, total: int = 8, **changed: object) -> np.ndarray:
    """The runner of a training step, as TrainStep calls it, but for what is changed."""
    given: dict = {"order": np.arange(10), "watch": "loss", "batch": 4, "threads": 1}
    arrays = step.arrays() | step.data.all
    for k, v in changed.items():
        if k in given:
            given[k] = v
        else:
            arrays[k.replace("_", ".")] = v  # type: ignore[assignment]
    return step.runner(4).run({k: v for k, v in arrays.items() if v is not None}, total, **given)


def test_the_proof_lets_through_what_is_right(step: TrainStep) -> None:
    assert run(step).shape == (2,) and run(step, 10).shape == (3,)


READONLY = np.zeros((2, 3), np.float32)
READONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"input": None}, ArgumentError, "input: not given; accepted: float32 of shape (any number, 3), C-contiguous"),
        ({"input": [[1.0]]}, ArgumentError, "input: list is no array"),
        ({"input": np.ones((10, 3))}, ElementTypeError, "input with dtype float64"),
        ({"input": np.ones((10, 3), ">f4")}, ElementTypeError, "input with dtype >f4"),
        ({"input": np.ones((10, 2), np.float32)}, ShapeError, "input with shape (10, 2)"),
        ({"input": np.ones((3, 10), np.float32).T}, ArgumentError, "input: its memory is not C-contiguous"),
        ({"input": np.frombuffer(bytes(121), np.float32, 30, 1).reshape(10, 3)}, ArgumentError, "input: its memory is not aligned"),
        ({"input": np.ones(30, np.float32)}, ShapeError, "input with shape (30,)"),
        ({"input": np.float32(1)}, ArgumentError, "input: float32 is no array"),
        ({"input": np.ones((0, 3), np.float32)}, ShapeError, "input with shape (0, 3)"),
        ({"input": np.ones((7, 3), np.float32)}, ShapeError, "order with row 7: there is no such row"),
        ({"target": np.zeros(10, np.int32)}, ElementTypeError, "target with dtype int32"),
        ({"0_weight": READONLY}, ArgumentError, "0.weight: its memory is not writeable"),
        ({"lr": np.ones(1, np.float32)}, ShapeError, "lr with shape (1,): compiled for another; accepted: float32 of shape (), C-contiguous"),
        ({"order": np.arange(7)}, ShapeError, "order with 7 rows: too few"),
        ({"order": np.arange(10) - 1}, ShapeError, "order with row -1"),
        ({"order": np.arange(10, dtype=np.int32)}, ElementTypeError, "order with dtype int32"),
        ({"order": np.arange(20)[::2]}, ElementTypeError, "order with dtype int64 and shape (10,)"),
        ({"order": None}, ArgumentError, "order: not given"),
        ({"order": list(range(10))}, ElementTypeError, "order with list"),
        ({"watch": "0.weight.new"}, ArgumentError, "watch='0.weight.new'"),
        ({"watch": "input"}, ArgumentError, "watch='input'"),
        ({"total": 0}, ArgumentError, "total=0, batch=4"),
        ({"batch": -1}, ArgumentError, "total=8, batch=-1"),
    ],
    ids=lambda v: str(v)[:60] if isinstance(v, str) else "",
)
def test_whatever_is_not_what_was_compiled_for_is_refused(step: TrainStep, changed: dict, error: type[ChainruleError], says: str) -> None:
    before = step.net.state_dict()
    with pytest.raises(error) as e:
        run(step, **changed)
    assert str(e.value).startswith(says) and "; accepted: " in str(e.value)
    assert all(np.array_equal(step.net.values[k], v) for k, v in before.items())


def test_outputs_have_memory_of_their_own(step: TrainStep) -> None:
    both = np.zeros((4, 3), np.float32)
    with pytest.raises(ArgumentError, match=r"0\.weight\.new: shares memory with 0\.weight, which is read too"):
        run(step, **{"0_weight": both[:2], "0_weight_new": both[1:3]})
    with pytest.raises(ArgumentError, match=r"0\.weight\.new: shares memory with input, which is read too"):
        run(step, input=np.asarray(step.net.values["0.weight"]), order=np.zeros(8, np.int64))


def test_a_runner_knows_rows_of_a_whole_batch() -> None:
    op = cr.op("twice(x[n,D]) -> y[n,D]\n y[n,d] = 2*x[n,d]")
    x = np.ones((5, 3), np.float32)
    runner = op.ready({"x": x}, {}).machine
    y = np.zeros_like(x)
    runner.run({"x": x, "y": y}, 5)
    assert np.array_equal(y, 2 * x)
    for wrong in (4, 6):
        with pytest.raises(ShapeError, match=rf"x with shape \(5, 3\): compiled for another; accepted: float32 of shape \({wrong}, 3\)"):
            runner.run({"x": x, "y": y}, wrong)
    with pytest.raises(ArgumentError, match="y: shares memory with x"):
        runner.run({"x": x, "y": x}, 5)
    runner.run({"x": x[:2], "y": x[2:4]}, 2)


def test_helpers_that_are_busy_are_not_waited_for() -> None:
    """Jobs that nobody takes do not hold up a run."""
    idle = pool.Pool()
    idle.count = 5  # none of them is there
    kept, pool._pool = pool._pool, idle
    try:
        x, w = np.ones((400, 12), np.float32), np.ones((12, 300), np.float32)
        op = cr.op("mix(x[n,D], w[D,E]) -> y[n,E]\n y[n,e] = sum[d](x[n,d] * w[d,e])")
        for _ in range(300):
            assert np.array_equal(op(x, w, threads=4), np.full((400, 300), 12, np.float32))
        assert idle.jobs.qsize() <= pool.MOST_WAITING
    finally:
        pool._pool = kept
    while not idle.jobs.empty():  # a helper that comes too late finds the gate shut
        job, number = idle.jobs.get()
        job(number)


def test_the_door_to_the_engine_is_one_file() -> None:
    assert set(program.__all__) >= {"Runner", "Spec", "Port", "Code", "aligned", "compile_spec"} and driver.LINES == 6


@pytest.mark.parametrize("arenas", [False, True])
def test_an_interrupt_while_memory_is_taken_leaves_the_runner_sound(arenas: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.engines.native import run

    def make() -> cr.Op:
        return cr.op("g(x[n,D], w[D,D]) -> y[n,D]\n a[n,i] = exp(x[n,i])\n m[i] = mean[n](a[n,i])\n y[n,i] = sum[j](w[i,j]*a[n,j])*a[n,i] - m[i]")

    rng = np.random.default_rng(0)
    w, real = rng.normal(size=(40, 40)), run.address
    sizes = [rng.normal(size=(n, 40)) for n in (100, 200, 150, 300)]  # one program serves them all
    want = [make()(x, w, threads=2) for x in sizes]
    for stop in range(30):
        op, seen = make(), []

        def address(a: np.ndarray, stop: int = stop, seen: list = seen) -> int:
            if threading.current_thread() is not threading.main_thread():  # helpers hear no signals
                return real(a)
            seen.append(a)
            if len(seen) == stop and (a.dtype == np.uint8 or not arenas):
                raise KeyboardInterrupt
            return real(a)

        monkeypatch.setattr(run, "address", address)
        for x, y in zip(sizes, want, strict=True):
            try:
                found = op(x, w, threads=2)
            except KeyboardInterrupt:
                assert np.array_equal(op(sizes[0], w, threads=2), want[0]), "fewer samples than were to come"
                (runner,) = op.ready({"x": sizes[0], "w": w}, {}).machine.free
                kept = {name: real(a) for name, a in runner.memory.items()}
                assert all(kept.get(name, at) == at for (name, *_), at in zip(runner.code.layout.slots, runner.frame, strict=False))
                found = op(x, w, threads=2)
            assert np.array_equal(found, y)
        monkeypatch.setattr(run, "address", real)


def test_a_handler_may_want_helpers_while_helpers_are_started() -> None:
    python(
        """
        a = cr.op("g(x[n,D]) -> y[n,D]\\n y[n,i] = exp(x[n,i])"); b = cr.op("h(x[n,D]) -> y[n,D]\\n y[n,i] = sin(x[n,i])")
        x = np.ones((3000, 10))
        a(x, threads=1), b(x, threads=1)
        start, inside = threading.Thread.start, []
        def begin(self):
            if not inside:
                inside.append(1)
                b(x, threads=8)
            start(self)
        threading.Thread.start = begin
        assert same(a(x, threads=8), np.exp(x)) or np.allclose(a(x, threads=8), np.exp(x), rtol=1e-15)
        """
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_handler_may_fork_in_the_middle_of_compiling() -> None:
    """Modules are compiled side by side: the fork waits for the helpers inside LLVM, not for itself; a child does what its helpers had begun."""
    python(
        """
        net = cr.nn.resnet20().init(0)
        x, t = np.ones((4, 3, 32, 32), np.float32), np.zeros(4, int)
        from chainrule.engines.native.compile import _running
        children, went_on = [], []
        parent = os.getpid()
        def handler(*_):
            if os.getpid() == parent:
                first = bool(_running and not went_on)
                children.append(os.fork())
                if not children[-1] and not first:
                    os._exit(0)
                if first:
                    went_on.append(True)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
        step = cr.TrainStep(net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.1), x, t, 4)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert np.isfinite(step.run(range(4))).all()
        if os.getpid() != parent:
            os._exit(0)
        assert went_on and all(os.waitpid(k, 0)[1] == 0 for k in children)
        """,
        110,
        CHAINRULE_CACHE="off",
    )
