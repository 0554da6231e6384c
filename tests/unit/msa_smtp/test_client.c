/* Scripts: each step is a letter and its text; every action becomes a line of the trace.
 * Steps:  S bytes of the server   M next mail   B more content   Z last content   K/k TLS up/failed
 *         A response of PLAIN   P the same with NULs   a no credentials   T timeout   L lost   z
 * content lost   Q quit   - a line in the trace Trace:  "> " bytes sent ("|" is CRLF), R a refused
 * recipient, = the message's result, and words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/smtp/client.h"
#include "msa/smtp/dot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HI        "S220 mx ESMTP\r\n"
#define EHLO_FULL "S250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 10000\r\n"
#define EHLO_BARE "S250 mx\r\n"
#define EHLO_TLS  "S250-mx\r\n250 STARTTLS\r\n"
#define TO_READY  "> EHLO me|\nready\n"
#define ENVELOPE2 \
    "MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|RCPT TO:<c@b.example>|DATA|\n"
#define OK2 "S250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n354 go\r\n"

#define EHLO_CHUNKS "S250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
#define EHLO_SINGLE "S250-mx\r\n250 CHUNKING\r\n"
#define OK1         "S250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
#define MAIL1       "MAIL FROM:<a@a.example>|RCPT TO:<b@b.example>|"
#define NO_RRVS                                                                        \
    "the next hop does not offer RRVS, so that nobody can tell whether the recipient " \
    "is the person meant"
#define TO_CHUNKS TO_READY "> " MAIL1 "\nbody?\n"

enum { OFFERED, REQUIRED, LOGIN, LOGIN_TLS, EIGHT, IMPLICIT, NONE, BINARY, CHUNKS_OFF };

struct script {
    const char *label;
    int flavour;
    const char *steps[14];
    const char *trace;
};

static const struct script scripts[] = {
    {"pipelined",
     OFFERED,
     {HI, EHLO_FULL, "M2", OK2, "Zhi\r\n.dot\r\n", "S250 2.0.0 taken\r\n", "Q", "S221 bye\r\n"},
     TO_READY "> " ENVELOPE2 "body?\n> hi|..dot|.|\n= reply END 250 2.0.0 taken\nready\n> QUIT|\n"
              "closed quit QUIT\n"},
    {"one by one",
     OFFERED,
     {HI, EHLO_BARE, "M2", "S250 ok\r\n", "S250 ok\r\n", "S251 ok\r\n", "S354 go\r\n", "Bh", "Zi",
      "S250 taken\r\n"},
     TO_READY "> MAIL FROM:<a@a.example>|\n> RCPT TO:<b@b.example>|\n> RCPT TO:<c@b.example>|\n"
              "> DATA|\nbody?\n> h\nbody?\n> i|.|\n= reply END 250 taken\nready\n"},
    {"HELO",
     OFFERED,
     {HI, "S502 5.5.1 what\r\n", "S250 mx\r\n"},
     "> EHLO me|\n> HELO me|\nready\n"},
    {"one refused, next mail on the same connection",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 5.1.1 no b\r\n250 ok\r\n354 go\r\n", "Zx\r\n",
      "S450 4.2.0 later\r\n", "M1"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 5.1.1 no b\nbody?\n> x|.|\n"
              "= reply END 450 4.2.0 later\nready\n"
              "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"all refused, DATA refused: RSET before the next",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n551 no c\r\n503 5.5.1 nobody\r\n", "M1",
      "S250 reset\r\n"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\nR1 reply RCPT 551 no c\nready\n"
              "> RSET|MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"all refused, DATA granted: a lone dot",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n551 no c\r\n354 go\r\n", "S554 nobody\r\n",
      "M1"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\nR1 reply RCPT 551 no c\n> .|\nready\n"
              "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"all refused, then lost: nobody is left for a result",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n551 no c\r\n", "L"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\nR1 reply RCPT 551 no c\n"
              "closed lost DATA -104\n"},
    {"all refused, one by one: no DATA",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S250 ok\r\n", "S550 no b\r\n"},
     TO_READY
     "> MAIL FROM:<a@a.example>|\n> RCPT TO:<b@b.example>|\nR0 reply RCPT 550 no b\nready\n"},
    {"MAIL refused, the rest only counted",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S552 5.3.4 big\r\n503 x\r\n250 y\r\n354 z\r\n", "S250 nothing\r\n"},
     TO_READY "> " ENVELOPE2 "= reply MAIL 552 5.3.4 big\n> .|\nready\n"},
    {"MAIL refused, one by one",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S451 later\r\n", "M1"},
     TO_READY "> MAIL FROM:<a@a.example>|\n= reply MAIL 451 later\nready\n"
              "> MAIL FROM:<a@a.example>|\n"},
    {"DATA refused",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n451 4.3.0 not now\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"
              "= reply DATA 451 4.3.0 not now\nready\n"},
    {"RSET refused",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S250 ok\r\n", "S550 no b\r\n", "M1", "S500 x\r\n"},
     TO_READY
     "> MAIL FROM:<a@a.example>|\n> RCPT TO:<b@b.example>|\nR0 reply RCPT 550 no b\nready\n"
     "> RSET|\n= reply RSET 500 x\n> QUIT|\nclosed reply RSET 500 x\n"},
    {"421 greeting", OFFERED, {"S421 4.3.2 down\r\n"}, "closed reply GREETING 421 4.3.2 down\n"},
    {"554 greeting", OFFERED, {"S554 no\r\n"}, "> QUIT|\nclosed reply GREETING 554 no\n"},
    {"421 at EHLO", OFFERED, {HI, "S421 x\r\n"}, "> EHLO me|\nclosed reply EHLO 421 x\n"},
    {"421 at RCPT decides for all that are left",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n421 4.3.2 bye\r\n"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\n= reply RCPT 421 4.3.2 bye\n"
              "closed reply RCPT 421 4.3.2 bye\n"},
    {"421 while idle",
     OFFERED,
     {HI, EHLO_BARE, "S421 idle\r\n"},
     TO_READY "closed reply IDLE 421 idle\n"},
    {"250 while idle",
     OFFERED,
     {HI, EHLO_BARE, "S250 what\r\n"},
     TO_READY "closed protocol IDLE\n"},
    {"reply before the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Bx", "S552 5.3.4 full\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> x\nbody?\n"
              "= reply BODY 552 5.3.4 full\nclosed reply BODY 552 5.3.4 full\n"},
    {"250 before the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "S250 ok\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n"
              "= protocol BODY\nclosed protocol BODY\n"},
    {"354 to MAIL",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S354 go\r\n"},
     TO_READY "> MAIL FROM:<a@a.example>|\n= protocol MAIL\nclosed protocol MAIL\n"},
    {"250 to DATA",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n250 c\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"
              "= protocol DATA\nclosed protocol DATA\n"},
    {"a reply too many",
     OFFERED,
     {HI, EHLO_BARE "250 more\r\n"},
     TO_READY "closed protocol IDLE\n"},
    {"no code", OFFERED, {"Shello\r\n"}, "closed protocol GREETING\n"},
    {"mixed codes after the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Zx", "S250-ok\r\n550 no\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> x|.|\n"
              "= protocol END\nclosed protocol END\n"},
    {"timeout of the greeting", OFFERED, {"T"}, "closed timeout GREETING\n"},
    {"lost after the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Z", "L"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> .|\n"
              "= lost END -104\nclosed lost END -104\n"},
    {"content lost: no end of data is sent",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Bx", "z"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> x\nbody?\n"
              "= content BODY -5\nclosed content BODY -5\n"},
    {"lost while idle", OFFERED, {HI, EHLO_BARE, "L"}, TO_READY "closed lost IDLE -104\n"},
    {"no answer to QUIT",
     OFFERED,
     {HI, EHLO_BARE, "Q", "T"},
     TO_READY "> QUIT|\nclosed quit QUIT\n"},
    {"STARTTLS, then everything anew",
     OFFERED,
     {HI, "S250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "S220 go\r\n", "K",
      "S250-mx\r\n250-STARTTLS\r\n250 SIZE\r\n", "M1"},
     "> EHLO me|\n> STARTTLS|\ntls\n> EHLO me|\nready\n> MAIL FROM:<a@a.example> SIZE=99|\n"},
    {"STARTTLS refused, not required",
     OFFERED,
     {HI, EHLO_TLS, "S454 4.7.0 not now\r\n"},
     "> EHLO me|\n> STARTTLS|\nready\n"},
    {"STARTTLS refused, required",
     REQUIRED,
     {HI, EHLO_TLS, "S454 4.7.0 not now\r\n"},
     "> EHLO me|\n> STARTTLS|\n> QUIT|\nclosed reply STARTTLS 454 4.7.0 not now\n"},
    {"STARTTLS not offered, required",
     REQUIRED,
     {HI, EHLO_BARE},
     "> EHLO me|\n> QUIT|\nclosed no-tls EHLO\n"},
    {"required, but only HELO works",
     REQUIRED,
     {HI, "S500 x\r\n", "S250 mx\r\n"},
     "> EHLO me|\n> HELO me|\n> QUIT|\nclosed no-tls HELO\n"},
    {"handshake failed",
     OFFERED,
     {HI, EHLO_TLS, "S220 go\r\n", "k"},
     "> EHLO me|\n> STARTTLS|\ntls\nclosed tls HANDSHAKE -5004\n"},
    {"STARTTLS never", NONE, {HI, EHLO_TLS}, TO_READY},
    {"implicit TLS: no STARTTLS", IMPLICIT, {HI, EHLO_TLS}, TO_READY},
    {"AUTH with an initial response",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN LOGIN\r\n", "P", "S235 2.7.0 in\r\n"},
     "> EHLO me|\nauth first PLAIN LOGIN\n> AUTH PLAIN AHUAcA==|\nready\n"},
    {"no password in clear where TLS was wanted",
     LOGIN_TLS,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n"},
     "> EHLO me|\n> QUIT|\nclosed no-tls EHLO\n"},
    {"AUTH under TLS",
     LOGIN_TLS,
     {HI, EHLO_TLS, "S220 go\r\n", "K", "S250-mx\r\n250 AUTH PLAIN\r\n", "Ax", "S235 in\r\n"},
     "> EHLO me|\n> STARTTLS|\ntls\n> EHLO me|\nauth first PLAIN\n> AUTH PLAIN eA==|\nready\n"},
    {"AUTH with challenges",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN LOGIN\r\n", "A", "S334 VXNlcg==\r\n", "Au", "S334 \r\n", "A",
      "S235 in\r\n"},
     "> EHLO me|\nauth first PLAIN LOGIN\n> AUTH PLAIN|\nauth User\n> dQ==|\nauth \n> |\nready\n"},
    {"AUTH refused",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "Ax", "S535 5.7.8 no\r\n"},
     "> EHLO me|\nauth first PLAIN\n> AUTH PLAIN eA==|\n> QUIT|\nclosed reply AUTH 535 5.7.8 no\n"},
    {"AUTH, a bad challenge",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "Ax", "S334 ?\r\n"},
     "> EHLO me|\nauth first PLAIN\n> AUTH PLAIN eA==|\nclosed protocol AUTH\n"},
    {"no AUTH offered", LOGIN, {HI, EHLO_FULL}, "> EHLO me|\n> QUIT|\nclosed no-auth EHLO\n"},
    {"no credentials",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "a"},
     "> EHLO me|\nauth first PLAIN\n> QUIT|\nclosed credentials AUTH -5009\n"},
    {"8-bit content, not offered",
     EIGHT,
     {HI, EHLO_BARE, "M1"},
     TO_READY "= unsupported MAIL 554 5.6.3 the content holds 8-bit characters, and the next hop "
              "does not offer 8BITMIME\nready\n"},
    {"8-bit content, offered",
     EIGHT,
     {HI, EHLO_FULL, "M1"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99 BODY=8BITMIME|RCPT TO:<b@b.example>|DATA|\n"},
    {"larger than the server takes",
     OFFERED,
     {HI, "S250-mx\r\n250 SIZE 98\r\n", "M1"},
     TO_READY "= too-big MAIL\nready\n"},
    {"DSN passed on where offered",
     OFFERED,
     {HI, EHLO_FULL, "Md"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99 RET=HDRS ENVID=x+20y|"
              "RCPT TO:<b@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@b.example|DATA|\n"},
    {"DSN left out elsewhere",
     OFFERED,
     {HI, EHLO_BARE, "Md"},
     TO_READY "> MAIL FROM:<a@a.example>|\n"},
    {"BDAT, one chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Zhi\r\n.dot", "S250 2.0.0 taken\r\n", "M1"},
     TO_CHUNKS "> BDAT 10 LAST|hi|.dot|\n= reply END 250 2.0.0 taken\nready\n> " MAIL1 "\n"},
    {"BDAT one by one: a reply before the next chunk",
     OFFERED,
     {HI, EHLO_SINGLE, "M1", "S250 a\r\n", "S250 b\r\n", "Bh", "-", "S250 1\r\n", "Zi",
      "S250 taken\r\n"},
     TO_READY "> MAIL FROM:<a@a.example>|\n> RCPT TO:<b@b.example>|\nbody?\n> BDAT 1|h\n-\nbody?\n"
              "> BDAT 3 LAST|i|\n= reply END 250 taken\nready\n"},
    {"BDAT, chunks ahead of their replies, as many as are allowed",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Ba", "Bb", "Bc", "Bd", "-", "S250 1\r\n250 2\r\n", "Ze", "-",
      "S250 3\r\n250 4\r\n250 5 taken\r\n"},
     TO_CHUNKS "> BDAT 1|a\nbody?\n> BDAT 1|b\nbody?\n> BDAT 1|c\nbody?\n> BDAT 1|d\n-\nbody?\n"
               "> BDAT 3 LAST|e|\n-\n= reply END 250 5 taken\nready\n"},
    {"BDAT 0 LAST where the end comes afterwards",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx\r\n", "Z", "S250 1\r\n250 taken\r\n"},
     TO_CHUNKS "> BDAT 3|x|\nbody?\n> BDAT 0 LAST|\n= reply END 250 taken\nready\n"},
    {"BDAT, a CR at the end of a piece goes with the next one",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx\r", "B\ny\r", "B\r", "Z\n.\r\n",
      "S250 1\r\n250 2\r\n250 3\r\n250 taken\r\n"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n> BDAT 3||y\nbody?\n> BDAT 1| \nbody?\n> BDAT 5 LAST||.|\n"
               "= reply END 250 taken\nready\n"},
    {"BDAT, nothing but a CR is no chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "B\r", "Z", "S250 taken\r\n"},
     TO_CHUNKS "body?\n> BDAT 2 LAST||\n= reply END 250 taken\nready\n"},
    {"BDAT, empty content",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Z", "S250 taken\r\n"},
     TO_CHUNKS "> BDAT 0 LAST|\n= reply END 250 taken\nready\n"},
    {"BDAT, a recipient refused, the rest gets it",
     OFFERED,
     {HI, EHLO_CHUNKS, "M2", "S250 a\r\n550 5.1.1 no b\r\n250 c\r\n", "Zx\r\n", "S250 taken\r\n"},
     TO_READY "> " MAIL1 "RCPT TO:<c@b.example>|\nR0 reply RCPT 550 5.1.1 no b\nbody?\n"
              "> BDAT 3 LAST|x|\n= reply END 250 taken\nready\n"},
    {"BDAT, all recipients refused: not a chunk, RSET before the next",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", "S250 a\r\n550 no b\r\n", "M1"},
     TO_READY "> " MAIL1 "\nR0 reply RCPT 550 no b\nready\n> RSET|" MAIL1 "\n"},
    {"BDAT, MAIL refused",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", "S451 4.3.0 later\r\n503 x\r\n", "M1"},
     TO_READY "> " MAIL1 "\n= reply MAIL 451 4.3.0 later\nready\n> " MAIL1 "\n"},
    {"BDAT, a chunk refused: no more of it, the reply to the next is only counted, then RSET",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "By", "S552 5.3.4 full\r\n", "-", "S250 what\r\n", "M1"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n> BDAT 1|y\nbody?\n= reply BODY 552 5.3.4 full\n-\nready\n"
               "> RSET|" MAIL1 "\n"},
    {"BDAT, refused while the next piece is fetched: that one comes too late",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "By", "S552 5.3.4 full\r\n", "Bz", "z", "S503 no\r\n"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n> BDAT 1|y\nbody?\n= reply BODY 552 5.3.4 full\nready\n"},
    {"BDAT, an earlier chunk refused after LAST: that decides",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "Zy", "S452 4.3.1 full\r\n250 taken\r\n", "M1"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n> BDAT 3 LAST|y|\n= reply END 452 4.3.1 full\nready\n"
               "> RSET|" MAIL1 "\n"},
    {"BDAT, LAST refused: RSET as well",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Zy", "S554 5.7.1 spam\r\n", "M1", "S250 reset\r\n"},
     TO_CHUNKS "> BDAT 3 LAST|y|\n= reply END 554 5.7.1 spam\nready\n> RSET|" MAIL1 "\n"},
    {"BDAT, a reply before there was a chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "S250 go on\r\n"},
     TO_CHUNKS "= protocol BODY\nclosed protocol BODY\n"},
    {"BDAT, a refusal before there was a chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "S451 4.3.0 no\r\n"},
     TO_CHUNKS "= reply BODY 451 4.3.0 no\nclosed reply BODY 451 4.3.0 no\n"},
    {"BDAT, a reply too many before LAST",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "S250 1\r\n250 2\r\n"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n= protocol BODY\nclosed protocol BODY\n"},
    {"354 to a chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "S354 go\r\n"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n= protocol BODY\nclosed protocol BODY\n"},
    {"354 to the last chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Zx", "S354 go\r\n"},
     TO_CHUNKS "> BDAT 3 LAST|x|\n= protocol END\nclosed protocol END\n"},
    {"mixed codes to a chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "S250-ok\r\n550 no\r\n"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n= protocol BODY\nclosed protocol BODY\n"},
    {"421 to a chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "S421 4.3.2 bye\r\n"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n= reply BODY 421 4.3.2 bye\nclosed reply BODY 421 4.3.2 bye\n"},
    {"lost before LAST",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "S250 1\r\n", "L"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n= lost BODY -104\nclosed lost BODY -104\n"},
    {"lost after LAST, an earlier chunk not answered either: it may have been taken",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "Zy", "L"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n> BDAT 3 LAST|y|\n= lost END -104\nclosed lost END -104\n"},
    {"timeout after LAST",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "Zy", "S250 1\r\n", "T"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n> BDAT 3 LAST|y|\n= timeout END\nclosed timeout END\n"},
    {"lost after a refused chunk: there is a result already",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "By", "S550 no\r\n", "L"},
     TO_CHUNKS
     "> BDAT 1|x\nbody?\n> BDAT 1|y\nbody?\n= reply BODY 550 no\nclosed lost BODY -104\n"},
    {"BDAT, content lost: no LAST is sent",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "z"},
     TO_CHUNKS "> BDAT 1|x\nbody?\n= content BODY -5\nclosed content BODY -5\n"},
    {"CHUNKING switched off: DATA",
     CHUNKS_OFF,
     {HI, EHLO_CHUNKS, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Zx", "S250 taken\r\n"},
     TO_READY "> " MAIL1 "DATA|\nbody?\n> x|.|\n= reply END 250 taken\nready\n"},
    {"binary content: every octet",
     BINARY,
     {HI, "S250-mx\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250 CHUNKING\r\n", "M1", "S250 a\r\n",
      "S250 b\r\n", "Ba\r", "S250 1\r\n", "Z.\rb", "S250 taken\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> BODY=BINARYMIME|\n> RCPT TO:<b@b.example>|\nbody?\n"
              "> BDAT 2|a|\nbody?\n> BDAT 3 LAST|.|b\n= reply END 250 taken\nready\n"},
    {"binary content, no BINARYMIME",
     BINARY,
     {HI, EHLO_CHUNKS, "M1"},
     TO_READY
     "= unsupported MAIL 554 5.6.3 the content is binary, and the next hop takes only lines "
     "of text\nready\n"},
    {"who must not go to this server has a result first, the others go on",
     OFFERED,
     {HI, EHLO_FULL, "Mr", "S250 a\r\n250 c\r\n354 go\r\n", "Zx\r\n", "S250 taken\r\n"},
     TO_READY "R0 unsupported RCPT 550 5.7.19 " NO_RRVS "\n"
              "R2 unsupported RCPT 550 5.7.19 " NO_RRVS "\n"
              "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<c@b.example>|DATA|\nbody?\n> x|.|\n"
              "= reply END 250 taken\nready\n"},
    {"the same one by one, and the one that is left is refused",
     OFFERED,
     {HI, EHLO_BARE, "Mr", "S250 a\r\n", "S550 5.1.1 no c\r\n", "M1"},
     TO_READY "R0 unsupported RCPT 550 5.7.19 " NO_RRVS "\n"
              "R2 unsupported RCPT 550 5.7.19 " NO_RRVS "\n"
              "> MAIL FROM:<a@a.example>|\n> RCPT TO:<c@b.example>|\nR1 reply RCPT 550 5.1.1 no c\n"
              "ready\n> RSET|\n"},
    {"nobody may go to this server: not a word",
     OFFERED,
     {HI, EHLO_FULL, "MR", "M1"},
     TO_READY "R0 unsupported RCPT 550 5.7.19 " NO_RRVS "\nready\n> MAIL FROM:<a@a.example> "
              "SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"null reverse-path", OFFERED, {HI, EHLO_BARE, "Mn"}, TO_READY "> MAIL FROM:<>|\n"},
};

static const char *const end_names[] = {"reply",       "timeout", "lost",    "protocol",
                                        "no-tls",      "tls",     "no-auth", "credentials",
                                        "unsupported", "too-big", "content", "quit"};
static const char *const phase_names[] = {
    "CONNECT", "GREETING", "EHLO", "HELO", "STARTTLS", "HANDSHAKE", "AUTH", "IDLE",
    "RSET",    "MAIL",     "RCPT", "DATA", "BODY",     "END",       "QUIT", "CLOSED"};

struct world {
    struct smtp_client *client;
    struct arena arena;
    struct smtp_envelope envelope;
    struct buf trace;
    char *body; /* of the last B or Z step */
    bool starts_auth;
    int flavour;
    uint64_t timer;
};

static void note(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    assert_int_equal(buf_vprintf(&w->trace, fmt, args), 0);
    va_end(args);
}

static void note_result(struct world *w, const char *what, const struct smtp_client_result *r)
{
    char status[SMTP_STATUS_TEXT_MAX];
    note(w, "%s %s %s", what, end_names[r->end], phase_names[r->phase]);
    if (r->reply.code)
        note(w, " %d%s%s %.*s", r->reply.code, r->reply.enhanced.class ? " " : "",
             smtp_status_text(r->reply.enhanced, status), SV_ARG(r->reply.text));
    if (r->err)
        note(w, " %d", r->err);
    assert_int_equal(r->detail != NULL, r->end == SMTP_END_PROTOCOL);
    note(w, "\n");
}

static void drain(struct world *w)
{
    struct smtp_client_action a;
    char label[16];
    while (smtp_client_next(w->client, &a)) {
        switch (a.kind) {
        case SMTP_CLIENT_SEND:
            note(w, "> ");
            for (size_t i = 0; i < a.bytes.len; i++)
                if (a.bytes.ptr[i] != '\n')
                    note(w, "%c", a.bytes.ptr[i] == '\r' ? '|' : a.bytes.ptr[i]);
            note(w, "\n");
            break;
        case SMTP_CLIENT_START_TLS:
            note(w, "tls\n");
            break;
        case SMTP_CLIENT_AUTH:
            w->starts_auth = a.is_first;
            note(w, "auth %s%.*s\n", a.is_first ? "first " : "", SV_ARG(a.bytes));
            break;
        case SMTP_CLIENT_NEED_BODY:
            note(w, "body?\n");
            break;
        case SMTP_CLIENT_RECIPIENT:
            snprintf(label, sizeof(label), "R%u", a.index);
            note_result(w, label, &a.result);
            break;
        case SMTP_CLIENT_MESSAGE:
            note_result(w, "=", &a.result);
            break;
        case SMTP_CLIENT_SET_TIMER:
            w->timer = a.timeout_ms;
            break;
        case SMTP_CLIENT_READY:
            note(w, "ready\n");
            break;
        case SMTP_CLIENT_CLOSED:
            note_result(w, "closed", &a.result);
            break;
        }
    }
}

static void feed(struct world *w, struct sv bytes, unsigned piece)
{
    while (bytes.len) {
        struct sv part = sv_first(bytes, piece == 0   ? bytes.len
                                         : piece == 1 ? 1
                                                      : 1 + (size_t)rand() % 20);
        bytes = sv_skip(bytes, part.len);
        char *copy = malloc(part.len);
        memcpy(copy, part.ptr, part.len);
        for (struct sv rest = {copy, part.len}; rest.len;) {
            size_t used = smtp_client_feed(w->client, rest, 1);
            drain(w);
            if (!used)
                break;
            rest = sv_skip(rest, used);
        }
        free(copy);
    }
}

static void send_mail(struct world *w, const char *how)
{
    arena_reset(&w->arena);
    smtp_envelope_init(&w->envelope, &w->arena);
    struct sv from = *how == 'n'   ? SV("<>")
                     : *how == 'd' ? SV("<a@a.example> RET=HDRS ENVID=x+20y")
                                   : SV("<a@a.example>");
    assert_int_equal(smtp_envelope_parse_mail(&w->envelope, from), 0);
    assert_int_equal(
        smtp_envelope_parse_rcpt(
            &w->envelope, *how == 'd'
                              ? SV("<b@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@b.example")
                              : SV("<b@b.example>")),
        0);
    if (*how == 'r' || *how == 'R') {
        static const char *const rrvs = "<d@b.example> RRVS=2026-01-01T00:00:00Z";
        smtp_envelope_init(&w->envelope, &w->arena);
        assert_int_equal(smtp_envelope_parse_mail(&w->envelope, from), 0);
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, sv_of(rrvs)), 0);
    }
    if (*how == 'r') {
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, SV("<c@b.example>")), 0);
        assert_int_equal(
            smtp_envelope_parse_rcpt(&w->envelope, SV("<e@b.example> RRVS=2026-01-01T00:00:00Z;R")),
            0);
    }
    if (*how == '2')
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, SV("<c@b.example>")), 0);
    struct smtp_client_mail mail = {.envelope = &w->envelope,
                                    .size = 99,
                                    .eight_bit = w->flavour == EIGHT,
                                    .binary = w->flavour == BINARY};
    smtp_client_send(w->client, &mail, 1);
}

static void step(struct world *w, const char *s, unsigned piece)
{
    switch (*s) {
    case 'S':
        feed(w, sv_of(s + 1), piece);
        return;
    case 'M':
        send_mail(w, s + 1);
        break;
    case 'B':
    case 'Z':
        free(w->body);
        w->body = strdup(s + 1);
        smtp_client_body(w->client, sv_of(w->body), *s == 'Z', 1);
        break;
    case 'z':
        smtp_client_body_fail(w->client, -EIO, 1);
        break;
    case 'K':
    case 'k':
        smtp_client_tls_done(w->client, *s == 'K' ? 0 : ERR_TLS, 1);
        break;
    case 'A': /* "A" alone: no initial response at first, an empty response later */
        smtp_client_auth(w->client, SV("PLAIN"), s[1] || !w->starts_auth ? sv_of(s + 1) : SV_NONE,
                         1);
        break;
    case 'P':
        smtp_client_auth(w->client, SV("PLAIN"), SV("\0u\0p"), 1);
        break;
    case 'a':
        smtp_client_auth_fail(w->client, ERR_NOT_FOUND, 1);
        break;
    case 'T':
        smtp_client_timeout(w->client, 1);
        break;
    case 'L':
        smtp_client_lost(w->client, -ECONNRESET, 1);
        break;
    case '-':
        note(w, "-\n");
        break;
    case 'Q':
        smtp_client_quit(w->client, 1);
        break;
    default:
        fail_msg("step %s", s);
    }
    drain(w);
}

static void start(struct world *w, int flavour)
{
    *w = (struct world){.flavour = flavour};
    struct smtp_client_config config = {
        .name = SV("me"),
        .tls = flavour == REQUIRED                   ? SMTP_CLIENT_TLS_REQUIRED
               : flavour == NONE || flavour == LOGIN ? SMTP_CLIENT_TLS_NONE
                                                     : SMTP_CLIENT_TLS_OFFERED,
        .tls_active = flavour == IMPLICIT,
        .login = flavour == LOGIN || flavour == LOGIN_TLS,
        .exts_off = flavour == CHUNKS_OFF ? SMTP_EXT_BIT(SMTP_EXT_CHUNKING) : 0,
    };
    arena_init(&w->arena);
    buf_init(&w->trace, 1u << 24, 0);
    w->client = smtp_client_new(&config, 0);
    drain(w);
}

static void stop(struct world *w)
{
    smtp_client_free(w->client);
    arena_deinit(&w->arena);
    buf_deinit(&w->trace);
    free(w->body);
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        for (unsigned piece = 0; piece < 20; piece++) {
            struct world w;
            srand(piece);
            start(&w, scripts[i].flavour);
            for (size_t k = 0; k < 14 && scripts[i].steps[k]; k++)
                step(&w, scripts[i].steps[k], piece);
            if (!sv_eq(buf_view(&w.trace), sv_of(scripts[i].trace)))
                fail_msg("%s (pieces %u):\n%.*s", scripts[i].label, piece,
                         SV_ARG(buf_view(&w.trace)));
            stop(&w);
        }
}

/* CVE-2021-38371: what stands in clear behind the 220 ends the session. */
static void test_injection_before_tls(void **state)
{
    (void)state;
    struct world w;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_TLS, 0);
    step(&w, "S220 go\r\n250 injected\r\n", 0);
    assert_true(
        sv_eq(buf_view(&w.trace), SV("> EHLO me|\n> STARTTLS|\nclosed protocol HANDSHAKE\n")));
    stop(&w);

    /* after START_TLS was given out, nothing is read until the handshake is done */
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_TLS, 0);
    step(&w, "S220 go\r\n", 0);
    assert_int_equal(smtp_client_feed(w.client, SV("250 injected\r\n"), 1), 0);
    stop(&w);
}

static void test_timers(void **state)
{
    (void)state;
    struct world w;
    start(&w, OFFERED);
    assert_int_equal(w.timer, 300000);
    step(&w, HI, 0);
    assert_int_equal(w.timer, 300000);
    step(&w, EHLO_FULL, 0);
    assert_int_equal(w.timer, 0);
    step(&w, "M1", 0);
    assert_int_equal(w.timer, 300000);
    step(&w, "S250 a\r\n250 b\r\n", 0);
    assert_int_equal(w.timer, 120000);
    step(&w, "S354 c\r\n", 0);
    assert_int_equal(w.timer, 180000);
    step(&w, "Zx", 0);
    assert_int_equal(w.timer, 600000);
    /* how long it took is told with the result */
    struct smtp_client_action a;
    smtp_client_timeout(w.client, 600001);
    do
        assert_true(smtp_client_next(w.client, &a));
    while (a.kind != SMTP_CLIENT_MESSAGE);
    assert_int_equal(a.result.elapsed_ms, 600000);
    stop(&w);
}

/* Each chunk has the time of a piece, the last one that of the end of data. */
static void test_timers_of_chunks(void **state)
{
    (void)state;
    struct world w;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_CHUNKS, 0);
    step(&w, "M1", 0);
    step(&w, OK1, 0);
    assert_int_equal(w.timer, 180000);
    w.timer = 0;
    step(&w, "Bx", 0);
    assert_int_equal(w.timer, 180000);
    w.timer = 0;
    step(&w, "S250 1\r\n", 0);
    assert_int_equal(w.timer, 180000);
    step(&w, "Bx", 0);
    step(&w, "Zx", 0);
    assert_int_equal(w.timer, 600000);
    w.timer = 0;
    step(&w, "S250 2\r\n", 0);
    assert_int_equal(w.timer, 600000);
    step(&w, "S250 3\r\n", 0);
    assert_int_equal(w.timer, 0);
    stop(&w);
}

/* A small mail is two SENDs, envelope and content; large content is not copied. */
static void test_body_runs(void **state)
{
    (void)state;
    static char small[10240], large[200000];
    memset(small, 'x', sizeof(small));
    memset(large, 'y', sizeof(large));
    for (size_t i = 70; i + 3 < sizeof(small); i += 71)
        memcpy(small + i, "\r\n.", 3); /* dots to stuff on every line */
    for (size_t i = 998; i + 2 < sizeof(large); i += 1000)
        memcpy(large + i, "\r\n", 2);
    for (int is_large = 0; is_large < 2; is_large++) {
        struct sv body =
            is_large ? (struct sv){large, sizeof(large)} : (struct sv){small, sizeof(small)};
        struct world w;
        struct smtp_client_action a;
        size_t sends = 0, views = 0, bytes = 0;
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, EHLO_FULL, 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n250 b\r\n354 c\r\n", 0);
        smtp_client_body(w.client, body, true, 1);
        while (smtp_client_next(w.client, &a))
            if (a.kind == SMTP_CLIENT_SEND) {
                sends++;
                bytes += a.bytes.len;
                views += a.bytes.ptr >= body.ptr && a.bytes.ptr < body.ptr + body.len;
            }
        if (is_large) {
            assert_true(views >= 1 && sends <= 4);
            assert_int_equal(bytes, sizeof(large) + strlen("\r\n.\r\n"));
        } else {
            assert_int_equal(sends, 1);
            assert_true(bytes > sizeof(small) + 100);
        }
        stop(&w);
    }
}

/* Content with dots everywhere, in pieces of any size, arrives as it was. */
static void test_dots(void **state)
{
    (void)state;
    static char body[100000];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = i % 5 == 3 ? '\r' : i % 5 == 4 ? '\n' : '.';
    for (unsigned seed = 0; seed < 10; seed++) {
        struct world w;
        struct smtp_client_action a;
        struct sv rest = {body, sizeof(body)};
        size_t at = 0, column = 0;
        bool ended = false;
        srand(seed);
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, EHLO_FULL, 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n250 b\r\n354 c\r\n", 0);
        while (!ended) {
            struct sv part = sv_first(rest, 1 + (size_t)rand() % 90000);
            rest = sv_skip(rest, part.len);
            smtp_client_body(w.client, part, rest.len == 0, 1);
            while (smtp_client_next(w.client, &a))
                for (size_t i = 0; a.kind == SMTP_CLIENT_SEND && i < a.bytes.len; i++) {
                    /* a line of three dots has four on the wire; behind the last is the lone dot */
                    char want = at == sizeof(body) ? ".\r\n"[column] : "....\r\n"[column];
                    assert_int_equal(a.bytes.ptr[i], want);
                    column++;
                    if (want != '\n')
                        continue;
                    ended = at == sizeof(body);
                    at += 5;
                    column = 0;
                }
        }
        assert_int_equal(at, sizeof(body) + 5);
        stop(&w);
    }
}

/* What a server reads of a session from the first chunk on. */
struct chunks {
    char command[64];
    size_t command_len, left;
    uint32_t count;
    bool last;
    struct buf content;
};

static void read_chunks(struct chunks *in, struct sv bytes)
{
    for (size_t i = 0; i < bytes.len;) {
        if (in->left) {
            struct sv part = sv_first(sv_skip(bytes, i), in->left);
            assert_int_equal(buf_put(&in->content, part), 0);
            in->left -= part.len;
            i += part.len;
            continue;
        }
        assert_false(in->last);
        assert_true(in->command_len + 1 < sizeof(in->command));
        in->command[in->command_len++] = bytes.ptr[i++];
        if (in->command[in->command_len - 1] != '\n')
            continue;
        struct sv line = {in->command, in->command_len}, rest = sv_skip(line, 5);
        uint64_t size;
        assert_true(sv_starts(line, SV("BDAT ")));
        in->last = sv_find(line, 'L') < line.len;
        assert_true(sv_u64(sv_split(&rest, in->last ? ' ' : '\r'), 1u << 20, &size));
        assert_true(sv_eq(rest, in->last ? SV("LAST\r\n") : SV("\n")));
        assert_true(size > 0 || in->last);
        in->left = (size_t)size;
        in->command_len = 0;
        in->count++;
    }
}

/* Any octets in pieces of any size, replies at any time: the sizes are those of what follows, never
 * are there more chunks without a reply than allowed, and the content is what the stuffing machine
 * makes of it, or, for binary content, exactly what was given. */
static void test_chunks(void **state)
{
    (void)state;
    static char body[150000];
    for (unsigned seed = 0; seed < 40; seed++) {
        struct world w;
        struct chunks in = {.left = 0};
        struct smtp_client_action a = {.kind = SMTP_CLIENT_NEED_BODY};
        bool binary = seed % 3 == 0, pipelined = seed % 2 == 0, dense = seed % 5 < 3, done = false;
        uint32_t replied = 0;
        srand(seed);
        size_t size = (size_t)rand() % sizeof(body);
        for (size_t i = 0; i < size; i++)
            body[i] = rand() % (dense ? 3 : 3000) ? 'x' : "\r\n\0."[rand() % 4];
        struct sv rest = {body, size};
        buf_init(&in.content, 1u << 20, 0);
        start(&w, binary ? BINARY : OFFERED);
        step(&w, HI, 0);
        feed(&w, SV("250-mx\r\n250-BINARYMIME\r\n250-8BITMIME\r\n"), 0);
        feed(&w, pipelined ? SV("250-PIPELINING\r\n250 CHUNKING\r\n") : SV("250 CHUNKING\r\n"), 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n", 0);
        assert_true(sv_find(buf_view(&w.trace), '?') == buf_len(&w.trace)); /* no "body?" yet */
        assert_true(smtp_client_feed(w.client, SV("250 b\r\n"), 1));
        bool wanted = false, ready = false;
        while (!ready) {
            while (smtp_client_next(w.client, &a)) {
                wanted = wanted || a.kind == SMTP_CLIENT_NEED_BODY;
                ready = ready || a.kind == SMTP_CLIENT_READY;
                done = done || a.kind == SMTP_CLIENT_MESSAGE;
                if (a.kind == SMTP_CLIENT_SEND)
                    read_chunks(&in, a.bytes);
            }
            assert_int_equal(in.left, 0);
            assert_true(in.count - replied <= (pipelined ? 4 : 1));
            if (wanted && (rand() % 2 || in.count == replied)) {
                struct sv part = sv_first(rest, (size_t)rand() % 60000);
                rest = sv_skip(rest, part.len);
                wanted = false;
                smtp_client_body(w.client, part, rest.len == 0, 1);
            } else if (!ready) {
                assert_true(in.count > replied);
                replied++;
                assert_true(smtp_client_feed(w.client, SV("250 ok\r\n"), 1) == 8);
            }
        }
        assert_true(done && in.last && in.count == replied);
        struct sv got = buf_view(&in.content), run;
        if (binary) {
            assert_true(sv_eq(got, (struct sv){body, size}));
        } else {
            struct smtp_stuff stuff;
            struct buf want;
            buf_init(&want, 1u << 20, 0);
            smtp_stuff_init(&stuff, false);
            for (rest = (struct sv){body, size}; rest.len;) {
                rest = sv_skip(rest, smtp_stuff_next(&stuff, rest, &run));
                assert_int_equal(buf_put(&want, run), 0);
            }
            assert_int_equal(buf_put(&want, smtp_stuff_end(&stuff)), 0);
            assert_true(sv_eq(got, buf_view(&want)));
            for (size_t i = 0; i < got.len; i++) {
                assert_true(got.ptr[i] != '\0');
                assert_true(got.ptr[i] != '\n' || (i && got.ptr[i - 1] == '\r'));
                assert_true(got.ptr[i] != '\r' || (i + 1 < got.len && got.ptr[i + 1] == '\n'));
            }
            buf_deinit(&want);
        }
        buf_deinit(&in.content);
        stop(&w);
    }
}

/* RFC 9422: what the last EHLO said bounds transactions, recipients and domains; commands count,
 * not their success. */
static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *label, *ehlo;
        uint32_t first, same_domain, other_domain; /* before a mail, after the first */
        uint32_t third;                            /* the same domain again, after the second */
    } rows[] = {
        {"nothing said", EHLO_BARE, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {"recipients", "S250-mx\r\n250 LIMITS RCPTMAX=7\r\n", 7, 7, 7, 7},
        {"transactions", "S250-mx\r\n250 LIMITS MAILMAX=2\r\n", UINT32_MAX, UINT32_MAX, UINT32_MAX,
         0},
        {"domains", "S250-mx\r\n250 LIMITS RCPTDOMAINMAX=1 RCPTMAX=3\r\n", 3, 3, 0, 3},
        {"two domains", "S250-mx\r\n250 LIMITS RCPTDOMAINMAX=2\r\n", UINT32_MAX, UINT32_MAX,
         UINT32_MAX, UINT32_MAX},
        {"unknown, and no numbers", "S250-mx\r\n250 LIMITS FOO=1 MAILMAX=0 RCPTMAX=x\r\n",
         UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world w;
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, rows[i].ehlo, 0);
        if (smtp_client_takes(w.client, SV("b.example")) != rows[i].first)
            fail_msg("%s: first", rows[i].label);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n", 0);
        step(&w, "S550 b\r\n", 0);
        if (smtp_client_takes(w.client, SV("B.example")) != rows[i].same_domain ||
            smtp_client_takes(w.client, SV("b.example.org")) != rows[i].other_domain)
            fail_msg("%s: after the first", rows[i].label);
        step(&w, "M1", 0);
        step(&w, "S250 reset\r\n", 0);
        step(&w, "S451 a\r\n", 0);
        if (smtp_client_takes(w.client, SV("b.example")) != rows[i].third)
            fail_msg("%s: after the second", rows[i].label);
        stop(&w);
    }
    /* of the EHLO in clear nothing is left */
    struct world w;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, "S250-mx\r\n250-STARTTLS\r\n250 LIMITS RCPTMAX=1\r\n", 0);
    step(&w, "S220 go\r\n", 0);
    step(&w, "K", 0);
    step(&w, EHLO_BARE, 0);
    assert_int_equal(smtp_client_takes(w.client, SV("b.example")), UINT32_MAX);
    stop(&w);
}

/* More recipients than fit one SEND: all are said, in bounded pieces. */
static void test_many_recipients(void **state)
{
    (void)state;
    struct world w;
    struct smtp_client_action a;
    char path[100];
    size_t bytes = 0, sends = 0;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_FULL, 0);
    smtp_envelope_init(&w.envelope, &w.arena);
    assert_int_equal(smtp_envelope_parse_mail(&w.envelope, SV("<>")), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof(path), "<recipient-%04d@b.example>", i);
        assert_int_equal(smtp_envelope_parse_rcpt(&w.envelope, sv_of(path)), 0);
    }
    struct smtp_client_mail mail = {.envelope = &w.envelope, .size = 99};
    smtp_client_send(w.client, &mail, 1);
    while (smtp_client_next(w.client, &a))
        if (a.kind == SMTP_CLIENT_SEND) {
            sends++;
            bytes += a.bytes.len;
            assert_true(a.bytes.len < 40000);
        }
    assert_int_equal(bytes, 3000 * strlen("RCPT TO:<recipient-0000@b.example>\r\n") +
                                strlen("MAIL FROM:<> SIZE=99\r\nDATA\r\n"));
    assert_true(sends < 6);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts), cmocka_unit_test(test_injection_before_tls),
        cmocka_unit_test(test_timers),  cmocka_unit_test(test_body_runs),
        cmocka_unit_test(test_dots),    cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_chunks),  cmocka_unit_test(test_timers_of_chunks),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
