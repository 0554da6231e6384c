#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/rights_header.h"
#include "rewrite/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The identity rows of the threats: what a header may say of its author, for a login. */

static const char options_text[] =
    "domains = [ \"example.net\", \"copa.example\", \"corn.example\", \"com.example\" ]; dns = { "
    "dnssec = \"off\"; };"
    "listen = { tls = \"none\"; }; auth = { require_tls = false; };"
    "permissions = ("
    "{ login = \"sales\"; may_send_as = [ \"%u\", \"@sales.example.net\", \"sales+*@example.net\" "
    "]; },"
    "{ login = \"office\"; may_send_on_behalf_of = [ \"boss@example.net\", \"@board.example.net\" "
    "]; },"
    "{ login = \"noself\"; may_send_as = \"desk@example.net\"; may_send_on_behalf_of = "
    "\"boss@example.net\"; },"
    "{ login = \"resend\"; allow_resent = true; },"
    "{ login = \"admin\"; may_send_as = \"*\"; },"
    "{ login = \"friend\"; may_send_as = [ \"*\", \"@c0pa.example\" ]; },"
    "{ login = \"umlaut\"; may_send_as = [ \"%u\", \"jörg@example.net\", \"@bücher.example\" ]; },"
    "{ login = \"relay\"; class = \"gateway\"; may_send_as = \"*\"; } );";

#define ALICE   "alice@example.net"
#define TO      "To: <bob@example.org>\r\n"
#define FROM    "From: <alice@example.net>\r\n"
#define ACCEPT  1 /* with header_errors = "accept" */
#define NEVER   2 /* with add_sender = "never" */
#define ALWAYS  4 /* with add_sender = "always" */
#define NO_FROM 8 /* with add_from = false */

/* code 0: accepted, and words is the Sender that is added ("" or NULL: none). login "": a client
 * that needs none. */
static const struct row {
    const char *login, *header;
    int code;
    const char *words;
    int options;
} rows[] = {
    /* ---- what everybody writes ---- */
    {ALICE, "From: alice@example.net\r\n", 0, NULL, 0},
    {ALICE, "From: <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: Alice <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: \"Alice B.\" <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: Alice B. Smith <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: alice@example.net (Alice)\r\n", 0, NULL, 0},
    {ALICE, "From: alice@example.net (Smith, Alice)\r\n", 0, NULL, 0},
    {ALICE, "From: (Alice) alice@example.net\r\n", 0, NULL, 0},
    {ALICE, "from: ALICE@EXAMPLE.NET\r\n", 0, NULL, 0},
    {ALICE, "FROM:alice@example.net\r\n", 0, NULL, 0},
    {ALICE, "From: \"alice\"@example.net\r\n", 0, NULL, 0},
    {ALICE, "From: \"\\alice\"@example.net\r\n", 0, NULL, 0},
    {ALICE, "From:\r\n alice@example.net\r\n", 0, NULL, 0},
    {ALICE, "From: \r\n\talice@example.net\r\n", 0, NULL, 0},
    {ALICE, "From: A Very Long Name\r\n <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: < alice@example.net >\r\n", 0, NULL, 0},
    {ALICE, "From: =?UTF-8?Q?J=C3=B6rg?= <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: =?iso-8859-1?B?SvZyZw==?= <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: =?ISO-2022-JP?B?GyRCO1IbKEI=?= <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: J\xfcrgen <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: \xd0\x90\xd0\xbb\xd0\xb8\xd1\x81\xd0\xb0 <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: alice@example.net\r\nSender: alice@example.net\r\n", 0, NULL, 0},
    {ALICE, "From: alice@example.net, Alice <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: \"'alice@example.net'\" <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: \"alice@example.net\" <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: \"Alice @ home\" <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: \"me@work\" <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "Reply-To: <ceo@example.net>\r\nFrom: alice@example.net\r\n", 0, NULL, 0},
    {ALICE, "Subject: no author\r\n", 0, NULL, 0},
    {ALICE, "X-From: <ceo@example.net>\r\nFrom: alice@example.net\r\n", 0, NULL, 0},
    {ALICE, "From: alice@example.net,\r\n", 0, NULL, 0},

    /* ---- another's address ---- */
    {ALICE, "From: <ceo@example.net>\r\n", 550,
     "<ceo@example.net> in From is not an address that alice@example.net may send as; allowed: "
     "alice@example.net",
     0},
    {ALICE, "From: ceo@example.net\r\n", 550, "<ceo@example.net> in From", 0},
    {ALICE, "From: Alice <ceo@example.net>\r\n", 550, "<ceo@example.net> in From", 0},
    {ALICE, "from:ceo@example.net\r\n", 550, "<ceo@example.net> in From", 0},
    {ALICE, "From: alice@example.org\r\n", 550, "<alice@example.org> in From", 0},
    {ALICE, "From: alice@sub.example.net\r\n", 550, "<alice@sub.example.net> in From", 0},
    {ALICE, "From: alice+x@example.net\r\n", 550, "<alice+x@example.net> in From", 0},
    {ALICE, "From: alice@example.net.evil.test\r\n", 550, "<alice@example.net.evil.test>", 0},
    {ALICE, "From: alice@[192.0.2.1]\r\n", 550, "<alice@[192.0.2.1]> in From", 0},
    {ALICE, "From: \"alice \"@example.net\r\n", 550, "<\"alice \"@example.net> in From", 0},
    {ALICE, "Sender: <ceo@example.net>\r\n" FROM, 550, "<ceo@example.net> in Sender is", 0},
    {ALICE, FROM "Sender: <ceo@example.net>\r\n", 550, "<ceo@example.net> in Sender is", 0},
    {ALICE, "From: <ceo@example.net>\r\nSender: <alice@example.net>\r\n", 550,
     "<ceo@example.net> in From", 0},
    {ALICE, "Sender: <ceo@example.net>\r\n", 550, "<ceo@example.net> in Sender", 0},
    {ALICE, "From: <alice@example.net>, <ceo@example.net>\r\n", 550, "<ceo@example.net> in From",
     0},
    {ALICE, "From: <ceo@example.net>, <alice@example.net>\r\n", 550, "<ceo@example.net> in From",
     0},
    {ALICE, "From: alice@example.net,\r\n ceo@example.net\r\n", 550, "<ceo@example.net> in From",
     0},
    {ALICE, "Subject: x\r\nFrom:\r\n\tceo@example.net\r\n", 550, "<ceo@example.net> in From", 0},
    {ALICE, "From: <\"ceo\"@example.net>\r\n", 550, "<ceo@example.net> in From", 0},

    /* ---- several fields ---- */
    {ALICE, FROM FROM, 554, "From stands there twice", 0},
    {ALICE, FROM "From: <ceo@example.net>\r\n", 554, "From stands there twice", 0},
    {ALICE, "From: <ceo@example.net>\r\n" FROM, 554, "From stands there twice", 0},
    {ALICE, FROM "from : <ceo@example.net>\r\n", 554, "From stands there twice", 0},
    {ALICE, FROM "X: y\r\nFROM:\r\n", 554, "From stands there twice", 0},
    {ALICE, FROM "From: <ceo@example.net>\r\n", 554, "From stands there twice", ACCEPT},
    {ALICE, FROM "Sender: <alice@example.net>\r\nSender: <alice@example.net>\r\n", 554,
     "Sender stands there twice", 0},
    {ALICE, FROM "Sender: <alice@example.net>, <alice@example.net>\r\n", 554,
     "Sender holds more than one address", 0},

    /* ---- the field's name ---- */
    {ALICE, "From : <alice@example.net>\r\n", 554, "From has space before its colon", 0},
    {ALICE, "From\t: <alice@example.net>\r\n", 554, "From has space before its colon", 0},
    {ALICE, "From : <ceo@example.net>\r\n", 554, "From has space before its colon", 0},
    {ALICE, FROM "Sender : <alice@example.net>\r\n", 554, "Sender has space before its colon", 0},
    {ALICE, " From: <ceo@example.net>\r\n" FROM, 554, "first header line begins with white", 0},
    {ALICE, "Fr om: <ceo@example.net>\r\n" FROM, 554, "bad field name", 0},
    {ALICE, "From\xc2\xa0: <ceo@example.net>\r\n" FROM, 554, "bad field name", 0},
    {ALICE,
     "\xef\xbb\xbf"
     "From: <ceo@example.net>\r\n",
     554, "bad field name", 0},
    {ALICE, "From: \r\n \r\n <ceo@example.net>\r\n", 554, "From has a line of nothing but", 0},
    {ALICE, "From: <alice@example.net>\r\n \r\n <ceo@example.net>\r\n", 554, "From", 0},
    {ALICE, "From: Alice\r\n\t \r\n <alice@example.net>\r\n", 554, "From has a line of nothing", 0},

    /* ---- groups, routes, comments, space ---- */
    {ALICE, "From: G: alice@example.net;\r\n", 554, "From holds a group", 0},
    {ALICE, "From: alice@example.net, G:;\r\n", 554, "From holds a group", 0},
    {ALICE, "From: G:;\r\n", 554, "From holds no address", 0},
    {ALICE, "From: G: ceo@example.net;, alice@example.net\r\n", 554, "From holds a group", 0},
    {ALICE, FROM "Sender: G: alice@example.net;\r\n", 554, "Sender holds a group", 0},
    {ALICE, FROM "Sender: G:;\r\n", 554, "Sender holds a group", 0},
    {ALICE, "From: <@ceo.example.net:alice@example.net>\r\n", 554,
     "From holds an address with a ro", 0},
    {ALICE, "From: <@a,@b:alice@example.net>\r\n", 554, "From holds an address with a route", 0},
    {ALICE, "From: <ceo@example.net:alice@example.net>\r\n", 554, "From: ", 0},
    {ALICE, "From: alice(x)@example.net\r\n", 554, "space or a comment inside", 0},
    {ALICE, "From: alice@(x)example.net\r\n", 554, "space or a comment inside", 0},
    {ALICE, "From: alice@example(.evil.test).net\r\n", 554, "space or a comment inside", 0},
    {ALICE, "From: <alice@example.net(>, <ceo@example.net)>\r\n", 550,
     "<ceo@example.net> in a name or comment of From", 0},
    {ALICE, "From: alice @example.net\r\n", 554, "space or a comment inside", 0},
    {ALICE, "From: alice@ example.net\r\n", 554, "space or a comment inside", 0},
    {ALICE, "From: alice@example\r\n .net\r\n", 554, "space or a comment inside", 0},
    {ALICE, "From: alice@example.net(ceo@example.net)\r\n", 550,
     "<ceo@example.net> in a name or comment of From", 0},
    {ALICE, "From: (ceo@example.net) alice@example.net\r\n", 550, "in a name or comment", 0},
    {ALICE, "From: ,alice@example.net\r\n", 554, "a comma with no address before it", 0},
    {ALICE, "From: alice@example.net,,alice@example.net\r\n", 554, "a comma with no address", 0},

    /* ---- what cannot be read ---- */
    {ALICE, "From: ceo@example.net <alice@example.net>\r\n", 554, "From: an address must end", 0},
    {ALICE, "From: <alice@example.net> <ceo@example.net>\r\n", 554, "From: an address must end", 0},
    {ALICE, "From: <ceo@example.net>alice@example.net\r\n", 554, "From: an address must end", 0},
    {ALICE, "From: alice@example.net@evil.test\r\n", 554, "From: a second @", 0},
    {ALICE, "From: <alice@example.net\r\n", 554, "From: a < without its >", 0},
    {ALICE, "From: \"alice@example.net\r\n", 554, "From: a quoted string without", 0},
    {ALICE, "From: alice@example.net.\r\n", 554, "From: a dot at the edge", 0},
    {ALICE, "From: .alice@example.net\r\n", 554, "From: a dot at the edge", 0},
    {ALICE, "From: alice..b@example.net\r\n", 554, "From: a dot at the edge", 0},
    {ALICE, "From: alice@example..net\r\n", 554, "From: a dot at the edge", 0},
    {ALICE, "From: alice\r\n", 554, "From: words that are no address", 0},
    {ALICE, "From: <alice@localhost>\r\n", 554, "not fully qualified", 0},
    {ALICE, "From: <>\r\n", 554, "From: an empty address", 0},
    {ALICE, "From:\r\n", 554, "From holds no address", 0},
    {ALICE, "From: ceo@example.net <alice@example.net>\r\n", 554, "From cannot be read", ACCEPT},
    {ALICE, "From: <alice@localhost>\r\n", 554, "domain is not fully qualified", ACCEPT},
    {ALICE, "From: <ceo@example.net>\r\n", 550, "<ceo@example.net> in From", ACCEPT},

    /* ---- local parts ---- */
    {"sales@example.net", "From: \"ceo@example.net\"@sales.example.net\r\n", 554,
     "programs read in different ways", 0},
    {"sales@example.net", "From: \"a<b\"@sales.example.net\r\n", 554, "read in different ways", 0},
    {"sales@example.net", "From: \"a,b\"@sales.example.net\r\n", 554, "read in different ways", 0},
    {"sales@example.net", "From: \"a\\\\b\"@sales.example.net\r\n", 554, "read in different", 0},
    {"sales@example.net", "From: \"a\".b@sales.example.net\r\n", 554, "read in different ways", 0},
    {"sales@example.net", "From: \"a b\"@sales.example.net\r\n", 0, NULL, 0},
    {"sales@example.net", "From: a/b=c@sales.example.net\r\n", 0, NULL, 0},
    {"sales@example.net", "From: x@sales.example.net\r\n", 0, NULL, 0},
    {"sales@example.net", "From: sales+x@example.net\r\n", 0, NULL, 0},
    {"sales@example.net", "From: x@a.sales.example.net\r\n", 550, "<x@a.sales.example.net>", 0},
    {"sales@example.net", "From: =?utf-8?q?ceo?=@sales.example.net\r\n", 554,
     "From has an encoded word in an address", 0},
    {"sales@example.net", "From: <=?utf-8?b?Y2VvQGV4YW1wbGUubmV0AA==?=@sales.example.net>\r\n", 554,
     "From has an encoded word in an address", 0},

    /* ---- names that hold addresses ---- */
    {ALICE, "From: \"ceo@example.net\" <alice@example.net>\r\n", 550,
     "<ceo@example.net> in a name or comment of From", 0},
    {ALICE, "From: \"The boss (ceo@example.net)\" <alice@example.net>\r\n", 550,
     "<ceo@example.net>", 0},
    {ALICE, "From: \"Boss <ceo@example.net>\" <alice@example.net>\r\n", 550, "<ceo@example.net>",
     0},
    {ALICE, "From: =?utf-8?q?ceo=40example=2Enet?= <alice@example.net>\r\n", 550,
     "<ceo@example.net> in a name", 0},
    {ALICE, "From: =?utf-8?B?Y2VvQGV4YW1wbGUubmV0?= <alice@example.net>\r\n", 550,
     "<ceo@example.net> in a name", 0},
    {ALICE, "From: =?utf-8?q?ceo=40exa?= =?utf-8*en?q?mple.net?= <alice@example.net>\r\n", 550,
     "<ceo@example.net> in a name", 0},
    {ALICE, "From: \"=?utf-8?q?ceo=40example.net?=\" <alice@example.net>\r\n", 550,
     "<ceo@example.net> in a name", 0},
    {ALICE,
     "From: \"ceo\xef\xbc\xa0"
     "example.net\" <alice@example.net>\r\n",
     550, "<ceo@example.net> in a name", 0}, /* full-width @ */
    {ALICE, "From: \"ceo\xe2\x80\x8b@exam\xe2\x80\x8bple.net\" <alice@example.net>\r\n", 550,
     "<ceo@example.net> in a name", 0}, /* zero-width spaces */
    {ALICE, "From: \"'ceo@example.net' via list\" <alice@example.net>\r\n", 550,
     "<ceo@example.net>", 0},
    {ALICE, "From: \"ceo@ex\\ample.net\" <alice@example.net>\r\n", 550, "<ceo@example.net>", 0},
    {ALICE, "From: \"ceo@\" \"example.net\" <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, "From: =?utf-8?q?ceo=00?= <alice@example.net>\r\n", 554, "characters that hide others",
     0},
    {ALICE, "From: =?utf-8?q?Alice=0A=0A?= <alice@example.net>\r\n", 554, "that hide others", 0},
    {ALICE, "From: =?utf-8?q?=E2=80=AEten.elpmaxe=40oec?= <alice@example.net>\r\n", 554,
     "characters that hide others", 0}, /* right to left */
    {ALICE, "From: =?utf-7?q?ceo+AEA-example.net?= <alice@example.net>\r\n", 554,
     "a character set that cannot be read", 0},
    {ALICE, "From: =?utf-16?b?AGMAZQBv?= <alice@example.net>\r\n", 554, "a character set that", 0},
    {ALICE, "From: =?gb2312?b?sKFA?= <alice@example.net>\r\n", 0, NULL, 0},
    {ALICE, FROM "Sender: \"ceo@example.net\" <alice@example.net>\r\n", 550,
     "<ceo@example.net> in a name or comment of Sender", 0},

    /* ---- look-alikes ---- */
    {ALICE, "From: alice@ex\xd0\xb0mple.net\r\n", 550, "<alice@xn--exmple-4nf.net> in From", 0},
    {"admin@example.net", "From: ceo@ex\xd0\xb0mple.net\r\n", 550, "mixes scripts", 0},
    {"admin@example.net", "From: ceo@xn--exmple-4nf.net\r\n", 550, "mixes scripts", 0},
    {"admin@example.net", "From: ceo@\xd1\x81\xd0\xbe\xd1\x80\xd0\xb0.example\r\n", 550,
     "looks like copa.example", 0},
    {"admin@example.net", "From: ceo@mail.\xd1\x81\xd0\xbe\xd1\x80\xd0\xb0.example\r\n", 550,
     "looks like copa.example", 0},
    {"admin@example.net", "From: ceo@mail.c0pa.example\r\n", 550, "looks like copa.example", 0},
    {"admin@example.net", "From: ceo@exampie.net\r\n", 0, NULL, 0}, /* i is no l */
    {"admin@example.net", "From: ceo@examp1e.net\r\n", 550, "looks like example.net", 0},
    {"admin@example.net", "From: \"ceo@examp1e.net\" <x@else.example>\r\n", 550, "in a name", 0},
    {"friend@example.net", "From: boss@c0pa.example\r\n", 0, NULL, 0}, /* that one is named */
    {"friend@example.net", "From: boss@examp1e.net\r\n", 550, "looks like example.net", 0},
    {"admin@example.net", "From: x@corn.example\r\n", 0, NULL, 0}, /* both are ours */
    {"admin@example.net", "From: x@a.com.example\r\n", 0, NULL, 0},
    {"admin@example.net", "From: c\xd0\xb5o@example.net\r\n", 550, "mixes scripts", 0},
    {"admin@example.net", "From: ceo@\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.example\r\n",
     0, NULL, 0},
    {"admin@example.net", "From: \"ceo@ex\xd0\xb0mple.net\" <admin@example.net>\r\n", 550,
     "in a name or comment of From mixes scripts", 0},
    {"umlaut@example.net", "From: j\xc3\xb6rg@example.net\r\n", 0, NULL, 0},
    {"umlaut@example.net",
     "From: jo\xcc\x88"
     "rg@example.net\r\n",
     0, NULL, 0}, /* decomposed */
    {"umlaut@example.net", "From: jorg@example.net\r\n", 550, "<jorg@example.net>", 0},
    {"j\xc3\xb6rg@example.net",
     "From: jo\xcc\x88"
     "rg@example.net\r\n",
     0, NULL, 0},
    {"jo\xcc\x88"
     "rg@example.net",
     "From: j\xc3\xb6rg@example.net\r\n", 0, NULL, 0},
    {"jo\xcc\x88"
     "rg@example.net",
     "From: j\xc3\xb6rg+x@example.net\r\n", 550, "in From", 0},
    {"umlaut@example.net",
     "From: x@b\xc3\xbc"
     "cher.example\r\n",
     0, NULL, 0},
    {"umlaut@example.net", "From: x@xn--bcher-kva.example\r\n", 0, NULL, 0},
    {"umlaut@example.net",
     "From: x@bu\xcc\x88"
     "cher.example\r\n",
     0, NULL, 0},
    {"umlaut@example.net", "From: x@bucher.example\r\n", 550, "<x@bucher.example>", 0},

    /* ---- on behalf ---- */
    {"office@example.net", "From: <boss@example.net>\r\n", 0, "office@example.net", 0},
    {"office@example.net", "From: <boss@example.net>, <office@example.net>\r\n", 0,
     "office@example.net", 0},
    {"office@example.net", "From: <x@board.example.net>\r\nSender: office@example.net\r\n", 0, NULL,
     0},
    {"office@example.net", "From: <boss@example.net>\r\nSender: boss@example.net\r\n", 550,
     "<boss@example.net> in Sender is not an address that office@example.net may send as", 0},
    {"office@example.net", "From: <ceo@example.net>\r\n", 550,
     "allowed: office@example.net; on behalf of: boss@example.net, @board.example.net", 0},
    {"office@example.net", "From: <office@example.net>\r\n", 0, NULL, 0},
    {"office@example.net", "From: \"boss@example.net\" <office@example.net>\r\n", 0, NULL, 0},
    {"office@example.net", "From: <boss@example.net>\r\n", 550, "needs a Sender field", NEVER},
    {"office@example.net", "From: <boss@example.net>\r\nSender: <office@example.net>\r\n", 0, NULL,
     NEVER},
    {"office@example.net", "From: <boss@example.net>\r\nSender:\r\n", 550,
     "the Sender field holds no address", 0},
    {"noself@example.net", "From: <boss@example.net>\r\n", 0, "desk@example.net", 0},

    /* ---- resent ---- */
    {ALICE, "Resent-From: alice@example.net\r\n" FROM, 0, NULL, 0},
    {ALICE, "Resent-From: ceo@example.net\r\n" FROM, 550, "<ceo@example.net> in Resent-From", 0},
    {ALICE, FROM "Resent-From: ceo@example.net\r\n", 550, "<ceo@example.net> in Resent-From", 0},
    {ALICE, FROM "Resent-Sender: ceo@example.net\r\n", 550, "<ceo@example.net> in Resent-Sender",
     0},
    {ALICE, "Resent-From: alice@example.net\r\nFrom: <x@example.org>\r\n", 550,
     "<x@example.org> in From", 0},
    {ALICE, "Resent-From: alice@example.net\r\nReceived: x\r\nResent-From: x@example.org\r\n" FROM,
     550, "<x@example.org> in Resent-From", 0},
    {"resend@example.net", "Resent-From: resend@example.net\r\nFrom: <x@example.org>\r\n", 0, NULL,
     0},
    {"resend@example.net",
     "Resent-From: resend@example.net\r\nFrom: <x@example.org>\r\nSender: y@example.org\r\n", 0,
     NULL, 0},
    {"resend@example.net", "Resent-From: resend@example.net\r\nFrom: G: x@example.org;\r\n", 0,
     NULL, 0},
    {"resend@example.net",
     "Resent-Date: x\r\nResent-From: resend@example.net\r\nResent-To: y@example.org\r\nReceived: "
     "x\r\nResent-From: z@example.org\r\nFrom: <x@example.org>\r\n",
     0, NULL, 0},
    {"resend@example.net",
     "Resent-From: resend@example.net\r\nResent-From: z@example.org\r\nFrom: <x@example.org>\r\n",
     0, NULL, 0},
    {"resend@example.net", "Resent-From: ceo@example.net\r\nFrom: <x@example.org>\r\n", 550,
     "<ceo@example.net> in Resent-From", 0},
    {"resend@example.net",
     "Resent-From: resend@example.net\r\nResent-Sender: ceo@example.net\r\nFrom: x@example.org\r\n",
     550, "<ceo@example.net> in Resent-Sender", 0},
    {"resend@example.net",
     "Resent-To: x@example.org\r\nReceived: x\r\nResent-From: resend@example.net\r\nFrom: "
     "<x@example.org>\r\n",
     550, "<x@example.org> in From", 0}, /* the topmost block has no author */
    {"resend@example.net",
     "Resent-From: z@example.org\r\nReceived: x\r\nResent-From: resend@example.net\r\nFrom: "
     "<x@example.org>\r\n",
     550, "<z@example.org> in Resent-From", 0},
    {"resend@example.net", "From: <x@example.org>\r\n", 550, "<x@example.org> in From", 0},
    {"resend@example.net", "Resent-Sender: resend@example.net\r\nFrom: <x@example.org>\r\n", 550,
     "<x@example.org> in From", 0},
    {"resend@example.net", "Resent-From: G: resend@example.net;\r\nFrom: <x@example.org>\r\n", 554,
     "Resent-From holds a group", 0},
    {"resend@example.net", "Resent-From : resend@example.net\r\nFrom: <x@example.org>\r\n", 554,
     "Resent-From has space before its colon", 0},

    /* ---- everybody's address, and no login ---- */
    {"admin@example.net", "From: <x@example.org>\r\nSender: <y@example.org>\r\n", 0, NULL, 0},
    {"admin@example.net", "From: G: x@example.org;\r\n", 554, "From holds a group", 0},
    {"admin@example.net", "From: G: x@example.org;\r\n", 0, NULL, ACCEPT},
    {"admin@example.net", "From: x@a\r\nFrom: words\r\n", 0, NULL, ACCEPT},
    {"", "From: <printer@example.net>\r\n", 0, NULL, 0},
    {"", "From: <x@example.org>\r\n", 0, NULL, 0},
    {"", "From: <a@b@c>\r\n", 554, "From: a second @", 0},

    /* ---- gateways ---- */
    {"relay@example.net", "From: <x@example.org>\r\n", 0, NULL, 0},
    {"relay@example.net", FROM FROM, 0, NULL, 0},
    {"relay@example.net", "From: a@@b, words\r\nTo: nobody\r\nSender: G:;\r\n", 0, NULL, 0},
    {"relay@example.net", "From : ceo@ex\xd0\xb0mple.net\r\n", 0, NULL, 0},
    {"relay@example.net", "no field\r\n", 554, "has no colon", 0},
};

struct world {
    struct generation *g;
    struct arena arena, messages;
    struct rights *rights;
    struct sv reverse_path;
    struct rewrite_rules *rules; /* NULL: none */
};

static void start(struct world *w)
{
    struct conf_faults faults;
    w->reverse_path = SV("desk@example.net");
    w->rules = NULL;
    w->g = generation_new(1);
    arena_init(&w->arena);
    arena_init(&w->messages);
    conf_faults_init(&faults, &w->arena);
    if (!options_read("m", sv_of(options_text), "mail.example.net", &w->g->arena, &w->g->options,
                      &faults, NULL))
        fail_msg("%u: %s: %s", faults.first->line, faults.first->key, faults.first->wrong);
    w->rights = rights_new(w->g, &w->arena);
}

static void stop(struct world *w)
{
    rights_free(w->rights);
    arena_deinit(&w->arena);
    arena_deinit(&w->messages);
    generation_drop(w->g);
}

struct outcome {
    struct sv reverse_path;
    int code;
    char text[600];
    struct buf out;
};

/* As msa/server/submission.c does it. */
static void drain(const struct world *w, struct rewrite_stream *s, const struct rights_holder *h,
                  const struct msa_options *o, struct arena *a, struct outcome *out)
{
    struct rewrite_action action;
    while (rewrite_stream_next(s, &action)) {
        if (action.kind == REWRITE_EMIT)
            assert_int_equal(buf_put(&out->out, action.bytes), 0);
        if (action.kind == REWRITE_REFUSE) {
            out->code = action.refusal->code;
            snprintf(out->text, sizeof out->text, "%s", action.refusal->text);
        }
        if (action.kind == REWRITE_AUTHORS) {
            struct rights_header in = {action.authors, out->reverse_path, o, w->rules};
            struct smtp_reply reply;
            struct rewrite_named named;
            if (rights_header(h, &in, a, &named, &reply)) {
                rewrite_stream_permit(s, named);
                continue;
            }
            out->code = reply.code;
            assert_true(reply.setting.len > 0);
            snprintf(out->text, sizeof out->text, "%.*s", SV_ARG(reply.text));
            rewrite_stream_refuse(s);
        }
    }
}

static void run(struct world *w, const struct row *r, size_t piece, struct outcome *out)
{
    struct rewrite_stream s;
    struct arena a;
    struct msa_options o = w->g->options;
    struct rights_holder h =
        *r->login ? rights_of_login(w->rights, sv_of(r->login)) : rights_of_trusted(w->rights);
    o.rewrite.header_errors = r->options & ACCEPT ? REWRITE_ERRORS_ACCEPT : REWRITE_ERRORS_REFUSE;
    o.rewrite.add_sender = r->options & NEVER    ? REWRITE_SENDER_NEVER
                           : r->options & ALWAYS ? REWRITE_SENDER_ALWAYS
                                                 : REWRITE_SENDER_ON_BEHALF;
    o.rewrite.add_from = !(r->options & NO_FROM);
    struct rewrite_stream_config c = {.options = &o.rewrite,
                                      .received = {.helo = SV("h"),
                                                   .address = SV("192.0.2.1"),
                                                   .by = SV("mail.example.net"),
                                                   .protocol = SV("ESMTPSA"),
                                                   .id = SV("q")},
                                      .rules = w->rules,
                                      .header_size = 1 << 20,
                                      .received_hops = 100,
                                      .gateway = rights_is_gateway(&h),
                                      .judge_authors = !rights_is_gateway(&h)};
    const char *message = arena_printf(&w->messages, "%s" TO "\r\nbody\r\n", r->header);
    *out = (struct outcome){.reverse_path = w->reverse_path};
    buf_init(&out->out, 2 << 20, 0);
    arena_init(&a);
    rewrite_stream_init(&s, &c);
    struct sv rest = sv_of(message);
    while (rest.len && !out->code) {
        rewrite_stream_feed(&s, sv_first(rest, piece));
        rest = sv_skip(rest, piece);
        drain(w, &s, &h, &o, &a, out);
    }
    if (!out->code) {
        rewrite_stream_end(&s);
        drain(w, &s, &h, &o, &a, out);
    }
    rewrite_stream_deinit(&s);
    arena_deinit(&a);
}

/* A row that fails; the others are tried all the same. */
static bool said(const char *format, ...) PRINTF_LIKE(1, 2);
static bool said(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprint_error(format, args);
    va_end(args);
    print_error("\n");
    return false;
}

static bool check(const struct row *r, size_t i, const struct outcome *out)
{
    struct sv got = buf_view(&out->out);
    if (out->code != r->code || (r->code && !strstr(out->text, r->words)))
        return said("row %zu, %s: %s-> %d %s", i, r->login, r->header, out->code, out->text);
    if (r->code)
        return true;
    char sender[80] = "";
    if (r->words)
        snprintf(sender, sizeof sender, "Sender: <%s>\r\n", r->words);
    bool added = r->words && memmem(got.ptr, got.len, sender, strlen(sender));
    if (r->words && !added)
        return said("row %zu: no Sender %s", i, r->words);
    size_t body = strlen(r->header);
    const char *kept = memmem(got.ptr, got.len, r->header, body);
    if (!kept) /* not an octet of what was submitted changes */
        return said("row %zu: %.*s", i, SV_ARG(got));
    if (!r->words && memmem(got.ptr, (size_t)(kept - got.ptr), "Sender:", 7))
        return said("row %zu: a Sender was added", i);
    return true;
}

static void messages(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 4096};
    struct world w;
    size_t bad = 0;
    start(&w);
    assert_true(sizeof rows / sizeof *rows >= 100);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
            struct outcome out;
            run(&w, &rows[i], pieces[p], &out);
            bad += !check(&rows[i], i, &out);
            buf_deinit(&out.out);
        }
    stop(&w);
    assert_int_equal(bad, 0);
}

/* A From that begins with first and has then often times more. */
static void run_long(const char *first, const char *more, size_t often, int code, const char *words)
{
    struct world w;
    struct outcome out;
    struct buf header;
    start(&w);
    buf_init(&header, 1 << 20, 0);
    int err = buf_printf(&header, "From: %s", first);
    for (size_t i = 0; i < often; i++)
        err |= buf_printf(&header, "%s", more);
    err |= buf_put(&header, SV("\r\n"));
    assert_int_equal(err, 0);
    char *text = buf_take(&header, NULL);
    clock_t before = clock();
    run(&w, &(struct row){"admin@example.net", text, code, words, 0}, 65536, &out);
    assert_true(clock() - before < CLOCKS_PER_SEC);
    assert_int_equal(out.code, code);
    assert_true(!words || strstr(out.text, words));
    buf_deinit(&out.out);
    free(text);
    stop(&w);
}

/* What is told is bounded, and so is the time. */
static void long_fields(void **state)
{
    (void)state;
    run_long("a@b.example", ",\r\n a@b.example", REWRITE_AUTHORS_MAX - 1, 0, NULL);
    run_long("a@b.example", ",\r\n a@b.example", REWRITE_AUTHORS_MAX, 554,
             "From names more authors than");
    run_long("a@b.example", ",\r\n a@b.example", 30000, 554, "From");
    run_long("a@b.example", "\r\n (a@b.example)", REWRITE_AUTHORS_MAX - 1, 0, NULL);
    run_long("a@b.example", "\r\n (a@b.example)", 30000, 554, "From names more authors than");
    run_long("a@b.example", "\r\n (@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@)", 10000, 0, NULL);
    run_long("a@b.example", "\r\n (a@a@a@a@a@a@a@a@a@a@a@a@a@a@a@a@a@a@a)", 10000, 0, NULL);
    run_long("a@b.example", "\r\n (=?utf-8?q?=?utf-8?q?=?utf-8?q?=?utf-8?q)", 10000, 0, NULL);
    run_long("a@b.example", "\r\n (=?a?q? =?a?q? =?a?q? =?a?q? =?a?q? =?a)", 10000, 0, NULL);
    run_long("a@b.example", "\r\n =?=?=?=?=?=?=?=?=?=?=?=?=?=?=?=?=?=?=?=?=", 10000, 554, "From");
}

/* Whole header sections behind our own trace field; code 0 in all. */
#define BEHALF "From: <boss@example.net>\r\n"
static const struct named_row {
    struct row r;
    const char *reverse_path;
    const char *out;
} named_rows[] = {
    /* 8.1: always */
    {{ALICE, FROM, 0, NULL, ALWAYS}, "desk@example.net", FROM TO},
    {{ALICE, "From: A <ALICE@example.NET>\r\n", 0, NULL, ALWAYS},
     "desk@example.net",
     "From: A <ALICE@example.NET>\r\n" TO},
    {{"admin@example.net", FROM, 0, NULL, ALWAYS},
     "desk@example.net",
     "Sender: <admin@example.net>\r\n" FROM TO},
    {{"admin@example.net", FROM "Sender: x <y@example.org> (z)\r\n", 0, NULL, ALWAYS},
     "desk@example.net",
     FROM "Sender: <admin@example.net>\r\n" TO},
    {{"admin@example.net", "Sender:\r\n <y@example.org>\r\n" FROM, 0, NULL, ALWAYS},
     "desk@example.net",
     "Sender: <admin@example.net>\r\n" FROM TO},
    {{"admin@example.net", FROM "Sender: Admin <admin@example.net>\r\n", 0, NULL, ALWAYS},
     "desk@example.net",
     FROM "Sender: Admin <admin@example.net>\r\n" TO},
    {{"admin@example.net", "From: admin@example.net, x@example.org\r\n", 0, NULL, ALWAYS},
     "desk@example.net",
     "Sender: <admin@example.net>\r\nFrom: admin@example.net, x@example.org\r\n" TO},
    {{"office@example.net", BEHALF, 0, NULL, ALWAYS},
     "desk@example.net",
     "Sender: <office@example.net>\r\n" BEHALF TO},
    /* a login that is no address of its own is no Sender, but where one is needed */
    {{"noself@example.net", "From: <desk@example.net>\r\n", 0, NULL, ALWAYS},
     "desk@example.net",
     "From: <desk@example.net>\r\n" TO},
    {{"noself@example.net", BEHALF, 0, NULL, ALWAYS},
     "desk@example.net",
     "Sender: <desk@example.net>\r\n" BEHALF TO},
    {{"", FROM, 0, NULL, ALWAYS}, "desk@example.net", FROM TO}, /* nobody has logged in */
    {{"relay@example.net", FROM, 0, NULL, ALWAYS}, "desk@example.net", FROM TO},
    {{"resend@example.net", FROM "Resent-From: <resend@example.net>\r\n", 0, NULL, ALWAYS},
     "desk@example.net",
     FROM "Resent-From: <resend@example.net>\r\n" TO},
    /* a missing From */
    {{ALICE, "Subject: x\r\n", 0, NULL, 0}, ALICE, FROM "Subject: x\r\n" TO},
    {{ALICE, "Subject: x\r\n", 0, NULL, 0}, "", FROM "Subject: x\r\n" TO},
    {{ALICE, "Subject: x\r\n", 0, NULL, NO_FROM}, ALICE, "Subject: x\r\n" TO},
    {{ALICE, "Subject: x\r\n", 0, NULL, ALWAYS}, ALICE, FROM "Subject: x\r\n" TO},
    {{"admin@example.net", "Subject: x\r\n", 0, NULL, ALWAYS},
     ALICE,
     FROM "Sender: <admin@example.net>\r\nSubject: x\r\n" TO},
    {{"noself@example.net", "Subject: x\r\n", 0, NULL, 0}, "", "Subject: x\r\n" TO},
    {{"", "Subject: x\r\n", 0, NULL, 0}, "", "Subject: x\r\n" TO},
    {{"", "Subject: x\r\n", 0, NULL, 0}, ALICE, FROM "Subject: x\r\n" TO},
    {{"relay@example.net", "Subject: x\r\n", 0, NULL, 0}, ALICE, "Subject: x\r\n" TO},
    {{"resend@example.net", "Resent-From: <resend@example.net>\r\n", 0, NULL, 0},
     "desk@example.net",
     "Resent-From: <resend@example.net>\r\n" TO},
};

static void check_named(struct world *w, const struct named_row *row, size_t i)
{
    struct outcome out;
    w->reverse_path = sv_of(row->reverse_path);
    run(w, &row->r, 1000, &out);
    assert_int_equal(out.code, 0);
    struct sv got = buf_view(&out.out);
    /* behind Received, Message-ID and Date */
    const char *from = memmem(got.ptr, got.len, "\r\nDate: ", 8);
    assert_non_null(from);
    from = (const char *)memchr(from + 2, '\n', 60) + 1;
    const char *want = arena_printf(&w->messages, "%s\r\nbody\r\n", row->out);
    if (!sv_eq(sv_range(from, got.ptr + got.len), sv_of(want)))
        fail_msg("row %zu: %.*s", i, SV_ARG(got));
    buf_deinit(&out.out);
}

static void test_named(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (size_t i = 0; i < sizeof named_rows / sizeof *named_rows; i++)
        check_named(&w, &named_rows[i], i);
    stop(&w);
}

/* What rules make the same is the same author. */
static void test_ruled(void **state)
{
    (void)state;
    static const struct named_row ruled[] = {
        {{"admin@example.net", "From: Public.Name@example.net\r\n", 0, NULL, ALWAYS},
         "",
         "From: Public.Name@example.net\r\n" TO},
        {{"admin@example.net", "From: admin@example.net\r\n", 0, NULL, ALWAYS},
         "",
         "From: Public.Name@example.net\r\n" TO},
        {{"admin@example.net", FROM, 0, NULL, ALWAYS},
         "",
         "Sender: <Public.Name@example.net>\r\n" FROM TO},
        {{"admin@example.net", FROM "Sender: x@example.org\r\n", 0, NULL, ALWAYS},
         "",
         FROM "Sender: <Public.Name@example.net>\r\n" TO},
        {{"admin@example.net", "A: b\r\n", 0, NULL, 0},
         "admin@example.net",
         "From: <Public.Name@example.net>\r\nA: b\r\n" TO},
        {{"relay@example.net", "From: admin@example.net\r\n", 0, NULL, 0},
         "",
         "From: admin@example.net\r\n" TO},
    };
    struct world w;
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    start(&w);
    w.rules = rewrite_rules_new(&w.arena);
    assert_true(rewrite_rule_parse(&w.arena, SV("admin@example.net"), SV("Public.Name@example.net"),
                                   &rule, &fault));
    assert_true(rewrite_rules_add(w.rules, &rule, REWRITE_IN_HEADER | REWRITE_OF_SENDER, 0));
    for (size_t i = 0; i < sizeof ruled / sizeof *ruled; i++)
        check_named(&w, &ruled[i], i);
    rewrite_rules_free(w.rules);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages), cmocka_unit_test(long_fields),
                                       cmocka_unit_test(test_named), cmocka_unit_test(test_ruled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
