// The SDK's webhook types exist only for the compiler, so the compiler judges: every received webhook is written down
// as a literal of the SDK's type and type-checked, required, optional, excess and enumerated properties included.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

// Gives the compiler's complaints; empty when every webhook fits.
export function complaints(webhooks) {
  const home = process.env.NODE_HOME;
  const literals = webhooks.map(
    (body, at) => `export const webhook${at}: webhook.CallbackRequest = ${JSON.stringify(body, null, 1)};`,
  );
  writeFileSync(`${home}/webhooks.ts`, `import type { webhook } from "@line/bot-sdk";\n${literals.join("\n")}\n`);
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
  try {
    execFileSync(process.execPath, [`${home}/node_modules/typescript/bin/tsc`, ...options, `${home}/webhooks.ts`]);
    return "";
  } catch (error) {
    return String(error.stdout);
  }
}
