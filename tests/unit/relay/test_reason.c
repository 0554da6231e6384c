#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/reason.h"

#include <string.h>

static void test_words(void **state)
{
    (void)state;
    static const struct {
        struct smtp_status status;
        const char *words; /* the beginning; NULL: none */
    } rows[] = {
        {{5, 1, 1}, "There is no such mailbox."},
        {{4, 1, 1}, "There is no such mailbox."},
        {{5, 1, 99}, "The receiving server does not accept this address."},
        {{5, 1, 10}, "The domain of this address takes no mail at all."},
        {{4, 2, 2}, "The mailbox is full."},
        {{5, 2, 0}, "The mailbox cannot take the message."},
        {{4, 3, 0}, "The receiving server has trouble of its own."},
        {{5, 3, 4}, "The message is larger than the receiving server takes."},
        {{4, 4, 1}, "The receiving server could not be reached."},
        {{5, 4, 7}, "The message could not be delivered in the time"},
        {{5, 5, 1}, "The two servers did not understand each other."},
        {{5, 6, 7}, "The receiving server does not take addresses with letters"},
        {{4, 7, 5}, "The receiving server could not prove who it is"},
        {{5, 7, 1}, "The receiving server refuses the message by a rule of its own"},
        {{5, 7, 10}, "The message was to travel encrypted only"},
        {{5, 7, 30}, "The message was to travel encrypted only"},
        {{4, 7, 28}, "The receiving server gets more mail"},
        {{5, 7, 999}, "The receiving server refuses the message by a rule of its own"},
        {{2, 1, 5}, NULL},
        {{5, 0, 0}, NULL},
        {{5, 8, 1}, NULL},
        {{0, 0, 0}, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *words = relay_reason(rows[i].status);
        if (!words != !rows[i].words ||
            (words && strncmp(words, rows[i].words, strlen(rows[i].words)) != 0))
            fail_msg("%u.%u.%u: %s", rows[i].status.class, rows[i].status.subject,
                     rows[i].status.detail, words ? words : "nothing");
    }
}

/* Each subject of the registry has words for every detail. */
static void test_every_subject(void **state)
{
    (void)state;
    for (uint16_t subject = 1; subject <= 7; subject++)
        for (uint16_t detail = 0; detail < 100; detail++)
            assert_non_null(relay_reason(SMTP_STATUS(5, subject, detail)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_every_subject)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
