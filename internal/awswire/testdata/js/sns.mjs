// Reads a message of SNS from standard input and prints what Amazon's validator says about it.
import { readFileSync } from "node:fs";
import MessageValidator from "sns-validator";

const message = JSON.parse(readFileSync(0, "utf8"));
new MessageValidator(/^127\.0\.0\.1/).validate(message, (err) => console.log(err ? err.message : "valid"));
