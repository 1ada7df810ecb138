// Reads a JSON list of formulas from standard input, writes the list of what KaTeX says against each: null where it takes it.
const katex = require(process.argv[2]);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const said = formulas.map((text) => {
  try {
    katex.__parse(text, { strict: "error", throwOnError: true, displayMode: true });
    return null;
  } catch (e) {
    return String(e.message);
  }
});
process.stdout.write(JSON.stringify(said));
