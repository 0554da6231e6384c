#include "relay/tls/report.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct tls_report make(void)
{
    return (struct tls_report){.organization = "mail.our.test",
                               .contact = "tls@our.test",
                               .id = "0abc",
                               .domain = "d.test",
                               .day = 20454, /* 2026-01-01 */
                               .policies = json_array()};
}

static void test_text(void **state)
{
    struct tls_report r = make();
    struct buf text, name;
    (void)state;
    buf_init(&text, TLS_REPORT_MAX, 0);
    buf_init(&name, 200, 0);
    assert_int_equal(tls_report_json(&r, &text), 0);
    assert_true(
        sv_eq(buf_view(&text), SV("{\"organization-name\":\"mail.our.test\",\"date-range\":{"
                                  "\"start-datetime\":\"2026-01-01T00:00:00Z\","
                                  "\"end-datetime\":\"2026-01-01T23:59:59Z\"},"
                                  "\"contact-info\":\"tls@our.test\",\"report-id\":\"0abc\","
                                  "\"policies\":[]}")));
    assert_int_equal(tls_report_file_name(&r, &name), 0);
    assert_true(sv_eq(buf_view(&name), SV("our.test!d.test!1767225600!1767311999!0abc.json.gz")));
    buf_deinit(&text);
    buf_init(&text, 100, 0);
    assert_int_equal(tls_report_json(&r, &text), ERR_FULL);
    assert_int_equal(buf_len(&text), 0);
    buf_deinit(&text);
    buf_deinit(&name);
    json_decref(r.policies);
}

static void test_gzip(void **state)
{
    static char big[100000], back[100001];
    struct buf out;
    (void)state;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)('a' + i * i % 17);
    for (size_t len = 0; len <= sizeof big; len = len ? len * 10 : 1) {
        z_stream z = {0};
        buf_init(&out, TLS_REPORT_MAX, 0);
        assert_int_equal(tls_report_gzip((struct sv){big, len}, &out), 0);
        assert_memory_equal(buf_view(&out).ptr, "\x1f\x8b\x08", 3);
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        z.next_in = (Bytef *)(uintptr_t)buf_view(&out).ptr;
        z.avail_in = (uInt)buf_len(&out);
        z.next_out = (Bytef *)back;
        z.avail_out = sizeof back;
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, len);
        assert_memory_equal(back, big, len);
        inflateEnd(&z);
        buf_deinit(&out);
    }
    buf_init(&out, 10, 0);
    assert_int_equal(tls_report_gzip((struct sv){big, 1000}, &out), ERR_FULL);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_gzip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
