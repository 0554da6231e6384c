/*
 * conn_mail.h - what the tests of a whole server's sessions send: one envelope, one message.
 */
#ifndef TESTS_UNIT_MSA_SERVER_CONN_MAIL_H
#define TESTS_UNIT_MSA_SERVER_CONN_MAIL_H

#define ENVELOPE "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\n"
#define MESSAGE  "From: u@example.net\r\nSubject: x\r\n\r\nhello\r\n"

#endif
