/*
 * What DKIM costs one message in CPU time, without the keeper: header work (fields, domain, h=,
 * hash) and the body's canonical form with its hash, by the size of the body.
 *
 *     build/dkim_sign [ROUNDS]
 *     valgrind --tool=callgrind build/dkim_sign 1000
 */
#include "msa/base/require.h"
#include "rewrite/dkim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEADER                                                                                    \
    "Received: from client.example (authenticated)\r\n\tby mail.example.net (msad) with ESMTPSA " \
    "id 0mx0el4hfzq2ciyr\r\n\tfor <bob@else.example>; Sat, 28 Nov 2026 12:00:00 +0000\r\n"        \
    "Message-ID: <3f1f2c6a-8c1e-4f5e-9d0a-3b7f2c1d9e55@example.net>\r\n"                          \
    "Date: Sat, 28 Nov 2026 13:00:00 +0100\r\nMIME-Version: 1.0\r\n"                              \
    "User-Agent: Mozilla Thunderbird\r\nSubject: Re: The figures of the third quarter\r\n"        \
    "Content-Language: en-GB\r\nTo: Bob Example <bob@else.example>,\r\n Carol "                   \
    "<carol@else.example>"                                                                        \
    "\r\nCc: \"Dave, of accounting\" <dave@example.net>\r\n"                                      \
    "References: <1a2b3c4d@else.example> <5e6f7a8b@example.net>\r\n <9c0d1e2f@else.example>\r\n"  \
    "From: Alice Example <alice@example.net>\r\nOrganization: Example\r\n"                        \
    "In-Reply-To: <9c0d1e2f@else.example>\r\nContent-Type: text/plain; charset=UTF-8; "           \
    "format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"

#define LINE "The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n"

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double sign(struct rewrite_dkim_keys *keys, struct sv body, unsigned rounds)
{
    double start = now_us();
    for (unsigned i = 0; i < rounds; i++) {
        struct rewrite_dkim d;
        struct rewrite_dkim_request r;
        rewrite_dkim_init(&d, keys, 1u << 18, 1764331200);
        rewrite_dkim_feed(&d, SV(HEADER));
        for (struct sv rest = body; rest.len; rest = sv_skip(rest, 16384))
            rewrite_dkim_feed(&d, sv_first(rest, 16384));
        rewrite_dkim_end(&d);
        while (rewrite_dkim_next(&d, &r))
            continue;
        rewrite_dkim_deinit(&d);
    }
    return (now_us() - start) / rounds;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"no key", "1 key", "2 keys"};
    static const size_t sizes[] = {0, 2000, 65536, 10u << 20};
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000;
    struct rewrite_dkim_key rows[2] = {
        {.domain = SV("example.net"), .selector = SV("s2026"), .id = SV("1")},
        {.domain = SV("example.net"), .selector = SV("s2026-ed25519"), .id = SV("2")}};
    char *body = malloc(sizes[3] + sizeof LINE);
    REQUIRE(body && rounds > 0);
    for (size_t at = 0; at < sizes[3]; at += sizeof LINE - 1)
        memcpy(body + at, LINE, sizeof LINE - 1);
    for (int relaxed = 1; relaxed >= 0; relaxed--)
        for (size_t n = 0; n <= 2; n++) {
            for (size_t i = 0; i < 2; i++) {
                rows[i].header = rows[i].body =
                    relaxed ? REWRITE_DKIM_RELAXED : REWRITE_DKIM_SIMPLE;
                rows[i].algorithm = i ? REWRITE_DKIM_ED25519 : REWRITE_DKIM_RSA;
                rows[i].from_s = INT64_MIN;
            }
            struct rewrite_dkim_key other = rows[0];
            other.domain = SV("example.org");
            struct rewrite_dkim_keys *keys = rewrite_dkim_keys_new(n ? rows : &other, n ? n : 1);
            printf("%-8s %s:", relaxed ? "relaxed" : "simple", names[n]);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                printf("  %zu octets %.1f us", sizes[i],
                       sign(keys, (struct sv){body, sizes[i]},
                            sizes[i] > 100000 ? rounds / 1000 + 1 : rounds));
            printf("\n");
            rewrite_dkim_keys_drop(keys);
        }
    free(body);
    return 0;
}
