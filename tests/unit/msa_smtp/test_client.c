/* Scripts: what a client says to every kind of server, and which result each mail has. */
#include "tests/unit/msa_smtp/client_script.h"

#define TO_READY "> EHLO me|\nready\n"
#define TO_LMTP  "> LHLO me|\nready\n"
#define ENVELOPE2 \
    "MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|RCPT TO:<c@b.example>|DATA|\n"
#define OK2         "S250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n354 go\r\n"
#define EHLO_SINGLE "S250-mx\r\n250 CHUNKING\r\n"
#define MAIL1       "MAIL FROM:<a@a.example>|RCPT TO:<b@b.example>|"
#define NO_RRVS                                                                        \
    "the next hop does not offer RRVS, so that nobody can tell whether the recipient " \
    "is the person meant"
#define TO_CHUNKS TO_READY "> " MAIL1 "\nbody?\n"

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
    {"MTEP is demanded, which nobody here speaks: nothing is sent there",
     OFFERED,
     {HI, "S250-mx\r\n250-PIPELINING\r\n250 x-mtep\r\n", "M2", "Q"},
     TO_READY "= demands MAIL\nready\n> QUIT|\n"},
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
    {"EHLO refused by policy: no HELO",
     OFFERED,
     {HI, "S550 5.5.604 not you\r\n", "S221 bye\r\n"},
     "> EHLO me|\n> QUIT|\nclosed reply EHLO 550 5.5.604 not you\n"},
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
    {"AUTH by a token that is refused: once more",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH XOAUTH2\r\n", "Ox", "S535 5.7.8 no\r\n", "Oy", "S235 in\r\n"},
     "> EHLO me|\nauth first XOAUTH2\n> AUTH XOAUTH2 eA==|\nauth first XOAUTH2\n"
     "> AUTH XOAUTH2 eQ==|\nready\n"},
    {"AUTH by a token that is refused: no third time",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH XOAUTH2\r\n", "Ox", "S334 e30=\r\n", "A", "S535 5.7.8 no\r\n", "Oy",
      "S535 5.7.8 no\r\n"},
     "> EHLO me|\nauth first XOAUTH2\n> AUTH XOAUTH2 eA==|\nauth {}\n> |\nauth first XOAUTH2\n"
     "> AUTH XOAUTH2 eQ==|\n> QUIT|\nclosed reply AUTH 535 5.7.8 no\n"},
    {"AUTH by a token that cannot be checked now",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH XOAUTH2\r\n", "Ox", "S454 4.7.0 later\r\n"},
     "> EHLO me|\nauth first XOAUTH2\n> AUTH XOAUTH2 eA==|\n> QUIT|\nclosed reply AUTH 454 4.7.0 "
     "later\n"},
    {"AUTH, a bad challenge",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "Ax", "S334 ?\r\n"},
     "> EHLO me|\nauth first PLAIN\n> AUTH PLAIN eA==|\nclosed protocol AUTH\n"},
    {"no AUTH offered", LOGIN, {HI, EHLO_FULL}, "> EHLO me|\n> QUIT|\nclosed no-auth EHLO\n"},
    {"an owner that has no answer to AUTH in time: its own trouble",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "T"},
     "> EHLO me|\nauth first PLAIN\n> QUIT|\nclosed credentials AUTH -5011\n"},
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
    {"LMTP: a reply for each recipient",
     LMTP,
     {HI, EHLO_FULL, "M2", OK2, "Zhi\r\n", "S250 2.0.0 b has it\r\n452 4.2.2 c is full\r\n", "M1"},
     TO_LMTP "> " ENVELOPE2 "body?\n> hi|.|\nR0 reply END 250 2.0.0 b has it\n"
             "R1 reply END 452 4.2.2 c is full\nready\n"
             "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"LMTP: who was refused has no reply",
     LMTP,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 5.1.1 no b\r\n250 ok\r\n354 go\r\n", "Zx\r\n",
      "S250 2.0.0 c has it\r\n"},
     TO_LMTP "> " ENVELOPE2 "R0 reply RCPT 550 5.1.1 no b\nbody?\n> x|.|\n"
             "R1 reply END 250 2.0.0 c has it\nready\n"},
    {"LMTP: nobody is left, and so no reply comes",
     LMTP,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n551 no c\r\n354 go\r\n", "M1"},
     TO_LMTP "> " ENVELOPE2 "R0 reply RCPT 550 no b\nR1 reply RCPT 551 no c\n> .|\nready\n"
             "> RSET|MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"LMTP: lost between the replies",
     LMTP,
     {HI, EHLO_FULL, "M2", OK2, "Zx\r\n", "S250 2.0.0 b has it\r\n", "L"},
     TO_LMTP "> " ENVELOPE2 "body?\n> x|.|\nR0 reply END 250 2.0.0 b has it\n"
             "= lost END -104\nclosed lost END -104\n"},
    {"LMTP: no other greeting is tried",
     LMTP,
     {HI, "S500 what\r\n"},
     "> LHLO me|\n> QUIT|\nclosed reply EHLO 500 what\n"},
    {"LMTP: no chunks",
     LMTP,
     {HI, EHLO_CHUNKS, "M1"},
     TO_LMTP "> MAIL FROM:<a@a.example>|RCPT TO:<b@b.example>|DATA|\n"},
    {"null reverse-path", OFFERED, {HI, EHLO_BARE, "Mn"}, TO_READY "> MAIL FROM:<>|\n"},
};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_injection_before_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
