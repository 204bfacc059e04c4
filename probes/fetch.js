// Fetches a URL with node's https module as it is, trusting one CA file, and prints the answer.
"use strict";
const fs = require("fs");
const [url, cafile] = process.argv.slice(2);
require("https")
  .get(url, { ca: fs.readFileSync(cafile), agent: false }, (answer) => answer.pipe(process.stdout))
  .on("error", (error) => {
    console.error(`${error.code || error.name}: ${error.message}`);
    process.exitCode = 1;
  });
