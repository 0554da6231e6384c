// nodemailer sends the letter that stands in JSON on standard input.
"use strict";
const fs = require("fs");
const nodemailer = require("nodemailer");

const letter = JSON.parse(fs.readFileSync(0, "utf8"));
const transport = nodemailer.createTransport({
    // an address: nodemailer asks DNS for names itself, past /etc/hosts, and not where lo is all
    host: "127.0.0.1",
    port: letter.port,
    secure: letter.implicit,
    auth: { user: letter.user, pass: letter.password },
    tls: { servername: letter.host, ca: fs.readFileSync(letter.ca) },
});
transport.sendMail({
    from: letter.sender,
    to: letter.to,
    cc: letter.cc,
    bcc: letter.bcc,
    subject: letter.subject,
    text: letter.text,
    attachments: [{ filename: "attached.bin", path: letter.file }],
}).catch((fault) => {
    console.error(String(fault));
    process.exitCode = 1;
});
