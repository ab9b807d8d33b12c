// Asks npm's SDKs on behalf of the tests. Each line of stdin is one question, each line of stdout its answer.
//
//   {"use": "alipay-sdk", "export": "AlipaySdk", "new": [{…}], "do": "checkNotifySign", "with": [{…}]}  →  {"value": true}
//   {"use": "tenpay", "do": "…"}                                                                       →  {"error": "…"}
//
// `export` is the module itself when not given, `new` makes an object of it, `do` is a method (`a.b` of a member).
const readline = require("node:readline");

async function answer(question) {
  let subject = require(question.use);
  if (question.export) subject = subject[question.export];
  if (question.new) subject = new subject(...question.new);
  if (!question.do) return subject;
  const names = question.do.split(".");
  const last = names.pop();
  for (const name of names) subject = subject[name];
  return await subject[last](...(question.with ?? []));
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let said;
    try {
      said = { value: (await answer(JSON.parse(line))) ?? null };
    } catch (error) {
      said = { error: String(error?.message ?? error), kind: error?.name ?? "", details: error?.responseDataRaw ?? null };
    }
    process.stdout.write(JSON.stringify(said) + "\n");
  }
}

main();
