#include "auth/certificate.h"

#include "auth/database.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

struct names {
    const struct auth_options *options;
    struct auth_name *list;
    size_t count;
};

static void add(struct names *n, struct sv text)
{
    struct auth_name name;

    if (n->count == AUTH_CERTIFICATE_LOGINS_MAX ||
        auth_database_name(n->options, text, &name) != AUTH_NAME_OK)
        return;
    for (size_t i = 0; i < n->count; i++) {
        if (sv_eq(auth_name_view(&n->list[i]), auth_name_view(&name)))
            return;
    }
    n->list[n->count++] = name;
}

/* An address must have its domain: no realm is guessed. */
static void add_email(struct names *n, struct sv text)
{
    if (sv_find(text, '@') < text.len)
        add(n, text);
}

static bool same_fingerprint(const char *written, const unsigned char digest[EVP_MAX_MD_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (const char *c = written; *c != '\0'; c++) {
        unsigned char half = at % 2 ? digest[at / 2] & 15 : digest[at / 2] >> 4;

        if (*c == ':')
            continue;
        if (at == 64 || ascii_lower(*c) != digits[half])
            return false;
        at++;
    }
    return at == 64;
}

static bool same_subject(const char *written, const X509_NAME *subject)
{
    BIO *text = BIO_new(BIO_s_mem());
    char *at = NULL;
    bool same = false;

    if (text != NULL && X509_NAME_print_ex(text, subject, 0, XN_FLAG_RFC2253) >= 0) {
        long len = BIO_get_mem_data(text, &at);

        same = sv_eq(sv_of(written), (struct sv){at, (size_t)len});
    }
    BIO_free(text);
    return same;
}

static void look_in_table(struct names *n, X509 *cert)
{
    const struct conf_list *table = &n->options->client_table;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1)
        return;
    for (size_t i = 0; i < table->count; i++) {
        const struct auth_client_row *row = CONF_ITEM(*table, i, struct auth_client_row);

        if (*row->fingerprint ? same_fingerprint(row->fingerprint, digest)
                              : same_subject(row->subject, X509_get_subject_name(cert)))
            add(n, sv_of(row->login));
    }
}

static void look_at_alternatives(struct names *n, X509 *cert)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

        if (name->type == GEN_EMAIL)
            add_email(n, (struct sv){(const char *)ASN1_STRING_get0_data(name->d.rfc822Name),
                                     (size_t)ASN1_STRING_length(name->d.rfc822Name)});
    }
    GENERAL_NAMES_free(all);
}

static void look_at_subject(struct names *n, X509 *cert, int nid,
                            void (*take)(struct names *n, struct sv text))
{
    const X509_NAME *subject = X509_get_subject_name(cert);

    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, nid, at)) >= 0;) {
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
        unsigned char *text = NULL;
        int len = ASN1_STRING_to_UTF8(&text, value);

        if (len >= 0)
            take(n, (struct sv){(char *)text, (size_t)len});
        OPENSSL_free(text);
    }
}

size_t auth_certificate_logins(const struct auth_options *o, struct sv der,
                               struct auth_name out[AUTH_CERTIFICATE_LOGINS_MAX])
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    struct names n = {.options = o, .list = out};

    if (cert == NULL)
        return 0;
    look_in_table(&n, cert);
    if (n.count == 0 && o->client_name == AUTH_CLIENT_EMAIL) {
        look_at_alternatives(&n, cert);
        look_at_subject(&n, cert, NID_pkcs9_emailAddress, add_email);
    } else if (n.count == 0 && o->client_name == AUTH_CLIENT_COMMON_NAME) {
        look_at_subject(&n, cert, NID_commonName, add);
    }
    X509_free(cert);
    return n.count;
}

bool auth_certificate_login(const struct auth_options *o, struct sv der, struct sv authzid,
                            struct auth_name *out)
{
    struct auth_name list[AUTH_CERTIFICATE_LOGINS_MAX], wanted;
    size_t count = auth_certificate_logins(o, der, list);

    if (authzid.len > 0 && auth_database_name(o, authzid, &wanted) != AUTH_NAME_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (authzid.len == 0 || sv_eq(auth_name_view(&list[i]), auth_name_view(&wanted))) {
            *out = list[i];
            return true;
        }
    }
    return false;
}
