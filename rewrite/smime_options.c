#include "rewrite/smime_options.h"

static const char *const policy_names[] = {"never", "if-possible", "require", NULL};

void rewrite_smime_check_path(const char *value, struct conf_faults *faults)
{
    if (value[0] != '/' && !sv_istarts(sv_of(value), SV("ldap://")) &&
        !sv_istarts(sv_of(value), SV("ldaps://")))
        conf_fault(faults,
                   "\"/etc/msa/smime\", or "
                   "\"ldaps://HOST/BASE?userCertificate;binary?sub?(mail=%s)\"",
                   "\"%s\" is no absolute path, and no URL of a directory", value);
}

const struct conf_option rewrite_smime_rows[] = {
    CONF_ROW(CONF_STRING, struct rewrite_smime_options, from, "from", "*",
             "whose mail is signed: the author's address",
             "The first address of From: \"alice@example.net\"; \"@example.net\", all at that "
             "domain; \"@*.example.net\", all at the domains below it; \"*\", all.",
             .flags = CONF_RELOAD, .example = "\"@example.net\""),
    CONF_ROW(CONF_STRING, struct rewrite_smime_options, login, "login", NULL,
             "only what this login sends",
             "With its realm. Empty: what anybody sends who may use the address of From.",
             .flags = CONF_RELOAD, .example = "\"alice@example.net\""),
    CONF_ROW(CONF_PATH, struct rewrite_smime_options, certificate, "certificate", NULL,
             "the signer's certificate, PEM, with its chain behind it",
             "It must be meant for mail (emailProtection), and name the author's address; where "
             "from is no single address, an address at the author's domain will do, but many mail "
             "programs then warn their users. One that has expired, or does not fit, never signs.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_REQUIRED,
             .example = "\"/etc/msa/smime/alice.pem\""),
    CONF_ROW(CONF_PATH, struct rewrite_smime_options, key, "key", NULL,
             "its private key, PEM, without passphrase",
             "RSA of 2048 bits or more, or EC on P-256, P-384 or P-521. Only the keeper gets it.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET | CONF_REQUIRED,
             .example = "\"/etc/msa/smime/alice.key\""),
    CONF_ROW(CONF_BOOL, struct rewrite_smime_options, require, "require", "false",
             "refuse what cannot be signed",
             "While true, a message that this row should sign and that cannot be signed is "
             "answered 451 4.7.0 where it may work later (the keeper does not answer), else 550 "
             "5.7.5. While false it goes unsigned, with a warning in the log.",
             .flags = CONF_RELOAD),
    CONF_END,
};

const struct conf_option rewrite_encrypt_rows[] = {
    CONF_ROW(CONF_STRING, struct rewrite_encrypt_options, to, "to", NULL,
             "to whom: the recipient's address",
             "A recipient of the envelope: \"bob@example.org\"; \"@example.org\", all at that "
             "domain; \"@*.example.org\", all at the domains below it; \"*\", all.",
             .flags = CONF_RELOAD | CONF_REQUIRED, .example = "\"@example.org\""),
    CONF_ROW(
        CONF_ENUM, struct rewrite_encrypt_options, policy, "policy", "if-possible",
        "whether mail to them is encrypted",
        "\"never\": it is not. \"if-possible\": where there is a usable certificate. "
        "\"require\": where there is none, the message is refused for all its recipients, "
        "550 5.7.5. With both, a directory that does not answer (certificates) is no reason for "
        "clear text: such mail is answered 451 4.7.0, and the client tries again.",
        .names = policy_names, .flags = CONF_RELOAD),
    CONF_END,
};

const struct conf_option rewrite_directory_rows[] = {
    CONF_ROW(CONF_STRING, struct rewrite_directory_options, user, "user", NULL,
             "the name that we bind as",
             "A distinguished name. Empty: nobody, which must do for certificates.",
             .flags = CONF_RELOAD, .example = "\"cn=msad,dc=example,dc=net\""),
    CONF_ROW(CONF_PATH, struct rewrite_directory_options, password_file, "password_file", NULL,
             "file with our password there",
             "Its first line. Only the keeper gets it; it is sent with ldaps, or on this host.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET,
             .example = "\"/etc/msa/directory.secret\""),
    CONF_ROW(CONF_PATH, struct rewrite_directory_options, ca, "ca", NULL,
             "authorities of the certificates of ldaps", "A PEM file. Empty: the system's.",
             .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/directory-ca.pem\""),
    CONF_END,
};
