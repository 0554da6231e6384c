/*
 * Replies that come ahead of what they could answer: none of them is a verdict, and none moves the
 * replies behind it.
 */
#include "tests/unit/msa_smtp/client_script.h"

#define TO_READY  "> EHLO me|\nready\n"
#define TO_LMTP   "> LHLO me|\nready\n"
#define TO_BODY   "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n"
#define TO_CHUNKS "> MAIL FROM:<a@a.example>|RCPT TO:<b@b.example>|\nbody?\n"
#define ENVELOPE  "S250 a\r\n250 b\r\n354 c\r\n"

static const struct {
    const char *label;
    int flavour;
    const char *steps[10];
    const char *trace;
    /* or this, where pieces come in time to be an answer; NULL: however they come it is the same */
    const char *in_pieces;
} scripts[] = {
    {"250 behind 354: nothing of the content is sent",
     PROMPT,
     {HI, EHLO_FULL, "M1", ENVELOPE "250 taken\r\n"},
     TO_READY TO_BODY "= protocol BODY\nclosed protocol BODY\n",
     TO_READY TO_BODY "> hi|.|\n= reply END 250 taken\nready\n"},
    {"half a reply behind 354",
     PROMPT,
     {HI, EHLO_FULL, "M1", ENVELOPE "25", "S0 taken\r\n"},
     TO_READY TO_BODY "= protocol BODY\nclosed protocol BODY\n",
     TO_READY TO_BODY "> hi|.|\n= reply END 250 taken\nready\n"},
    {"a refusal behind 354 is believed",
     PROMPT,
     {HI, EHLO_FULL, "M1", ENVELOPE "452 4.3.1 full\r\n"},
     TO_READY TO_BODY "= reply BODY 452 4.3.1 full\nclosed reply BODY 452 4.3.1 full\n",
     TO_READY TO_BODY "> hi|.|\n= reply END 452 4.3.1 full\nready\n"},
    {"half a refusal behind 354, and silence",
     PROMPT,
     {HI, EHLO_FULL, "M1", ENVELOPE "452-4.3", "T"},
     TO_READY TO_BODY "= timeout BODY\nclosed timeout BODY\n",
     TO_READY TO_BODY "> hi|.|\n= timeout END\nclosed timeout END\n"},
    {"250 while the end of data is still here",
     OFFERED,
     {HI, EHLO_FULL, "M1", ENVELOPE, "H", "Zx", "S250 taken\r\n"},
     TO_READY TO_BODY "> x|.|\n= protocol BODY\nclosed protocol BODY\n",
     NULL},
    {"552 while the end of data is still here",
     OFFERED,
     {HI, EHLO_FULL, "M1", ENVELOPE, "H", "Zx", "S552 full\r\n"},
     TO_READY TO_BODY "> x|.|\n= reply BODY 552 full\nclosed reply BODY 552 full\n",
     NULL},
    {"250 begins while the end of data is still here",
     OFFERED,
     {HI, EHLO_FULL, "M1", ENVELOPE, "H", "Zx", "S25", "F", "S0 taken\r\n"},
     TO_READY TO_BODY "> x|.|\n= protocol BODY\nclosed protocol BODY\n",
     NULL},
    {"250 when the kernel has the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", ENVELOPE, "H", "Zx", "F", "S250 taken\r\n"},
     TO_READY TO_BODY "> x|.|\n= reply END 250 taken\nready\n",
     NULL},
    {"lost while the end of data is still here: it cannot have been taken",
     OFFERED,
     {HI, EHLO_FULL, "M1", ENVELOPE, "H", "Zx", "L"},
     TO_READY TO_BODY "> x|.|\n= lost BODY -104\nclosed lost BODY -104\n",
     NULL},
    {"250 ahead of a chunk",
     PROMPT,
     {HI, EHLO_CHUNKS, "M1", "S250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 taken\r\n"},
     TO_READY TO_CHUNKS "= protocol BODY\nclosed protocol BODY\n",
     TO_READY TO_CHUNKS "> BDAT 4 LAST|hi|\n= reply END 250 taken\nready\n"},
    {"250 ahead of the second chunk",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "S250 1\r\n250 2\r\n", "Zy"},
     TO_READY TO_CHUNKS "> BDAT 1|x\nbody?\n= protocol BODY\nclosed protocol BODY\n",
     NULL},
    {"250 while the last chunk is still here",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "Bx", "H", "Zy", "S250 1\r\n250 2\r\n"},
     TO_READY TO_CHUNKS
     "> BDAT 1|x\nbody?\n> BDAT 3 LAST|y|\n= protocol BODY\nclosed protocol BODY\n",
     NULL},
    {"552 while the last chunk is still here",
     OFFERED,
     {HI, EHLO_CHUNKS, "M1", OK1, "H", "Zy", "S552 full\r\n"},
     TO_READY TO_CHUNKS "> BDAT 3 LAST|y|\n= reply BODY 552 full\nready\n",
     NULL},
    {"a reply ahead of EHLO",
     OFFERED,
     {"S220 mx\r\n250 mx\r\n"},
     "closed protocol EHLO\n",
     TO_READY},
    {"a reply too many",
     OFFERED,
     {HI, EHLO_BARE "250 more\r\n"},
     "> EHLO me|\nclosed protocol IDLE\n",
     TO_READY "closed protocol IDLE\n"},
    {"LMTP: a reply too many",
     LMTP,
     {HI, EHLO_FULL, "M1", OK1, "S354 go\r\n", "Zx\r\n", "S250 b has it\r\n250 again\r\n"},
     TO_LMTP TO_BODY "> x|.|\nR0 reply END 250 b has it\nclosed protocol IDLE\n",
     TO_LMTP TO_BODY "> x|.|\nR0 reply END 250 b has it\nready\nclosed protocol IDLE\n"},
};

static void test_ahead(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        for (unsigned piece = 0; piece < 20; piece++) {
            struct world w;
            srand(piece);
            start(&w, scripts[i].flavour);
            for (size_t k = 0; k < 10 && scripts[i].steps[k]; k++)
                step(&w, scripts[i].steps[k], piece);
            struct sv trace = buf_view(&w.trace);
            const char *other = piece > 0 ? scripts[i].in_pieces : NULL;
            if (!sv_eq(trace, sv_of(scripts[i].trace)) && (!other || !sv_eq(trace, sv_of(other))))
                fail_msg("%s (pieces %u):\n%.*s", scripts[i].label, piece, SV_ARG(trace));
            stop(&w);
        }
}

/* The last octets go out as a view of the content, with nothing of ours behind them. */
static void test_large_chunk(void **state)
{
    (void)state;
    static char body[100000];
    for (int flushed = 0; flushed < 2; flushed++) {
        struct world w;
        memset(body, 'x', sizeof body);
        memcpy(body + sizeof body - 2, "\r\n", 2);
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, EHLO_CHUNKS, 0);
        step(&w, "M1", 0);
        step(&w, OK1, 0);
        step(&w, "H", 0);
        smtp_client_body(w.client, (struct sv){body, sizeof body}, true, 1);
        drain(&w);
        buf_reset(&w.trace);
        step(&w, flushed ? "F" : "-", 0);
        step(&w, "S250 taken\r\n", 0);
        assert_true(
            sv_eq(buf_view(&w.trace), flushed ? SV("= reply END 250 taken\nready\n")
                                              : SV("-\n= protocol BODY\nclosed protocol BODY\n")));
        stop(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ahead),
                                       cmocka_unit_test(test_large_chunk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
