#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/reject.h"
#include "msa/base/err.h"

#include <errno.h>

static const struct row {
    int err, code;
    struct smtp_status status;
} rows[] = {
    {-ENOSPC, 452, {4, 3, 1}},     {-EDQUOT, 452, {4, 3, 1}},      {-EMFILE, 452, {4, 3, 1}},
    {-ENFILE, 452, {4, 3, 1}},     {-ENOMEM, 452, {4, 3, 1}},      {ERR_FULL, 452, {4, 3, 1}},
    {-EIO, 451, {4, 3, 0}},        {-EROFS, 451, {4, 3, 0}},       {ERR_DB, 451, {4, 3, 0}},
    {ERR_CORRUPT, 451, {4, 3, 0}}, {ERR_CANCELED, 451, {4, 3, 0}}, {-EACCES, 451, {4, 3, 0}},
};

/* Nothing that is our own fault may make a client give a message up. */
static void storage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_reply r = reject_storage(rows[i].err);
        assert_int_equal(r.code, rows[i].code);
        assert_int_equal(r.enhanced.class, rows[i].status.class);
        assert_int_equal(r.enhanced.subject, rows[i].status.subject);
        assert_int_equal(r.enhanced.detail, rows[i].status.detail);
    }
    for (int err = -1; err > -200; err--)
        assert_in_range(reject_storage(err).code, 400, 499);
}

static void all_can_be_written(void **state)
{
    const struct {
        struct smtp_reply reply;
        int code;
    } all[] = {
        {reject_paused(), 450},          {reject_shutdown(), 421},
        {reject_memory(), 452},          {reject_session_memory(), 421},
        {reject_connections(), 421},     {reject_client(), 421},
        {reject_auth_temporary(), 454},  {reject_auth_failed(), 535},
        {reject_auth_mechanism(), 504},  {reject_auth_needs_tls(), 538},
        {reject_account_changed(), 421}, {reject_no_login(), 530},
        {reject_no_return(), 550},       {reject_null_return(), 550},
        {reject_literal_return(), 550},  {reject_budget(false), 450},
        {reject_budget(true), 550},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct buf out;
        buf_init(&out, 4096, 0);
        assert_int_equal(all[i].reply.code, all[i].code);
        assert_int_equal(smtp_reply_write(&out, &all[i].reply), 0);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(storage),
                                       cmocka_unit_test(all_can_be_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
