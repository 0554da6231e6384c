#include "auth/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#define CONNECT_MAX_MS 3000L

struct body {
    struct buf *out;
    bool is_full;
};

int auth_fetch_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : ERR_NOT_FOUND;
}

static bool is_loopback(struct sv host)
{
    return sv_ieq(host, SV("localhost")) || sv_eq(host, SV("127.0.0.1")) ||
           sv_eq(host, SV("[::1]"));
}

bool auth_fetch_url_valid(struct sv url)
{
    CURLU *parts = curl_url();
    char *host = NULL, *scheme = NULL, *user = NULL;
    char text[2048];
    bool good;

    if (url.len == 0 || url.len >= sizeof(text) || memchr(url.ptr, '\0', url.len) != NULL) {
        curl_url_cleanup(parts);
        return false;
    }
    memcpy(text, url.ptr, url.len);
    text[url.len] = '\0';
    good = curl_url_set(parts, CURLUPART_URL, text, 0) == CURLUE_OK &&
           curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
           curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
           curl_url_get(parts, CURLUPART_USER, &user, 0) != CURLUE_OK &&
           (sv_eq(sv_of(scheme), SV("https")) ||
            (sv_eq(sv_of(scheme), SV("http")) && is_loopback(sv_of(host))));
    curl_free(host);
    curl_free(scheme);
    curl_free(user);
    curl_url_cleanup(parts);
    return good;
}

void auth_fetch_encode(struct buf *out, struct sv text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = ascii_alpha(c) || ascii_digit(c) || memchr("-._~", c, 4) != NULL;
        int err = plain ? buf_append(out, &c, 1) : buf_printf(out, "%%%02X", (unsigned char)c);

        if (err < 0)
            return; /* the owner of out has room for three times the text */
    }
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct body *b = arg;

    b->is_full = buf_append(b->out, bytes, size * count) < 0;
    return b->is_full ? 0 : size * count;
}

static void set_options(CURL *c, const struct auth_fetch *f, struct body *b)
{
    curl_easy_setopt(c, CURLOPT_URL, f->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR,
                     auth_fetch_url_valid(sv_of(f->url)) ? "https,http" : "");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is not waited for */
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MAX_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)AUTH_FETCH_MAX_MS);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, b);
    if (f->ca_pem.len > 0) {
        struct curl_blob ca = {(void *)(uintptr_t)f->ca_pem.ptr, f->ca_pem.len, CURL_BLOB_COPY};

        curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
    }
    if (f->form != NULL)
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->form);
    if (f->form != NULL && *f->user != '\0') {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, f->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, f->password);
    }
}

static int result_of(CURLcode code, long status, const struct body *b, const char *words,
                     struct buf *why)
{
    int err = 0, cut = 0;

    if (b->is_full) {
        err = ERR_LIMIT;
        cut = buf_printf(why, "the answer is too long");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        err = ERR_TIMEOUT;
        cut = buf_printf(why, "no answer in time");
    } else if (code != CURLE_OK) {
        err = ERR_TLS;
        cut = buf_printf(why, "%s", *words ? words : curl_easy_strerror(code));
    } else if (status != 200) {
        err = -EPROTO;
        cut = buf_printf(why, "the answer's status is %ld", status);
    }
    (void)cut; /* a sentence that does not fit is still a reason */
    return err;
}

int auth_fetch(const struct auth_fetch *f, struct buf *out, struct buf *why)
{
    char words[CURL_ERROR_SIZE] = "";
    struct body b = {.out = out};
    CURL *c = curl_easy_init();
    long status = 0;
    CURLcode code = CURLE_FAILED_INIT;

    if (c != NULL) {
        set_options(c, f, &b);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
        code = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_cleanup(c);
    }
    return result_of(code, status, &b, words, why);
}
