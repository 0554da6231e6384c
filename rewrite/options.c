#include "rewrite/options.h"

static const char *const header_errors_names[] = {"refuse", "accept", NULL};

static const char *const resolve_aliases_names[] = {"false", "envelope", "both", NULL};

static const char *const add_sender_names[] = {"on-behalf", "always", "never", NULL};

/* Without these a message is none, its body cannot be read, or nobody can tell whose it is: rights
 * were judged by Sender, too. */
static void check_drop(const char *value, struct conf_faults *faults)
{
    static const char *const needed[] = {
        "From",          "Sender",       "Resent-From",
        "Resent-Sender", "Date",         "Received",
        "MIME-Version",  "Content-Type", "Content-Transfer-Encoding"};
    for (const char *c = value; *c; c++)
        if (*c < 33 || *c > 126 || *c == ':') {
            conf_fault(faults, "the name alone, such as \"Bcc\"", "\"%s\" is no field name", value);
            return;
        }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (sv_ieq(sv_of(value), sv_of(needed[i])))
            conf_fault(faults, "leave it out", "%s is needed by whoever reads the message",
                       needed[i]);
}

static void check_in(const char *value, struct conf_faults *faults)
{
    if (!sv_eq(sv_of(value), SV("envelope")) && !sv_eq(sv_of(value), SV("header")))
        conf_fault(faults, "\"envelope\" or \"header\"", "\"%s\" is not known", value);
}

static void check_of(const char *value, struct conf_faults *faults)
{
    if (!sv_eq(sv_of(value), SV("sender")) && !sv_eq(sv_of(value), SV("recipient")))
        conf_fault(faults, "\"sender\" or \"recipient\"", "\"%s\" is not known", value);
}

static void check_map(const char *value, struct conf_faults *faults)
{
    if (!sv_starts(sv_of(value), SV("file:/")))
        conf_fault(faults, "for example \"file:/etc/msa/addresses\"",
                   "\"%s\" is no \"file:\" with an absolute path", value);
}

static const struct conf_option rule_rows[] = {
    CONF_ROW(CONF_STRING, struct rewrite_rule_options, match, "match", NULL,
             "the addresses that are rewritten",
             "\"jru@example.net\": that address; \"*@old.example.net\": all of that domain; "
             "\"*@*.sales.example.net\": all of the domains below it. Domains are compared as "
             "A-labels, local parts without quotes and without the case of ASCII letters. What "
             "would match everything is refused.",
             .flags = CONF_RELOAD, .example = "\"*@*.sales.example.net\""),
    CONF_ROW(CONF_STRING, struct rewrite_rule_options, replace, "replace", NULL,
             "what stands in their place",
             "An address, or \"*@example.net\" for the local part as it is at another domain. An "
             "address that is given to itself stays, and no later rule counts for it.",
             .flags = CONF_RELOAD, .example = "\"*@sales.example.net\""),
    CONF_ROW(
        CONF_STRING, struct rewrite_rule_options, map, "map", NULL, "a file of such pairs",
        "In place of match and replace: \"file:/path\". Each line of the file has both, with "
        "space between them; lines that begin with # are comments. The first line that matches "
        "counts; one that can never match, behind them, is a fault. A change of the file counts "
        "within seconds; if it has a fault, the log says so, and the former contents go on.",
        .flags = CONF_RELOAD, .check = check_map, .example = "\"file:/etc/msa/addresses\""),
    CONF_ROW(CONF_STRINGS, struct rewrite_rule_options, in, "in", "[ \"envelope\", \"header\" ]",
             "where the rule counts",
             "\"envelope\": MAIL FROM and RCPT TO. \"header\": the address fields of the header.",
             .flags = CONF_RELOAD, .check = check_in),
    CONF_ROW(CONF_STRINGS, struct rewrite_rule_options, of, "of", "[ \"sender\", \"recipient\" ]",
             "for whose addresses the rule counts",
             "\"sender\": MAIL FROM, From, Sender, Reply-To and their Resent- forms, "
             "Disposition-Notification-To and Return-Receipt-To. \"recipient\": RCPT TO, To, Cc, "
             "Bcc and theirs; such a rule may match addresses of our own domains "
             "only (RFC 6409 section 8).",
             .flags = CONF_RELOAD, .check = check_of),
    CONF_END,
};

const struct conf_option rewrite_options_rows[] = {
    CONF_ROW(CONF_BOOL, struct rewrite_options, complete_domains, "complete_domains", "false",
             "complete single-label domains to one of ours",
             "\"bob@sales\" becomes \"bob@sales.example.net\" for the first of domains where that "
             "name exists in the DNS or in this configuration (RFC 6409 4.2). Incomplete names of "
             "several labels are never completed. While false, or where no such name exists, the "
             "address is refused, 554; where the DNS does not answer, for the time being, 451. "
             "That holds for the envelope and for the address fields of the header, where "
             "header_errors = \"accept\" leaves a name that does not exist as it is.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct rewrite_options, add_date, "add_date", "true",
             "add a missing Date field",
             "RFC 5322 demands a Date, and receivers take its absence for a sign of spam. The time "
             "of acceptance is added (RFC 6409 8.2). A Date that can be read, if only by the "
             "obsolete grammar, is not touched; one that cannot is kept as X-Original-Date.",
             .flags = CONF_RELOAD),
    CONF_ROW(
        CONF_BOOL, struct rewrite_options, add_message_id, "add_message_id", "true",
        "add a missing Message-ID field",
        "Replies, threads and duplicate suppression need a Message-ID (RFC 6409 8.3). The one "
        "added is made of the queue id and hostname, so that it leads back to the log. It also "
        "takes the place of a Message-ID in which nothing of the form <...@...> can be read.",
        .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct rewrite_options, add_from, "add_from", "true",
             "add a missing From field",
             "RFC 5322 demands a From. The address of MAIL FROM is added, or, where that is empty, "
             "the login if it may send as itself.",
             .flags = CONF_RELOAD),
    CONF_ROW(
        CONF_ENUM, struct rewrite_options, add_sender, "add_sender", "on-behalf",
        "add a Sender field",
        "\"on-behalf\": where From is an address that the login may send on behalf of only "
        "(permissions), a Sender field with the address of the login is added, unless there "
        "is a Sender (RFC 6409 8.1). \"always\": so it is wherever From is not just the "
        "address of the login, and it takes the place of any other Sender; a login that is no "
        "address it may send as is never added. \"never\": a message on behalf of another must "
        "have its Sender and is else refused, 550 5.7.1.",
        .names = add_sender_names, .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct rewrite_options, hide_client, "hide_client", "true",
             "leave the client's address out of Received",
             "While true, the Received field that is added (RFC 5321 4.4) tells the queue id but "
             "neither the address nor the host name of the client, which often are those of a "
             "home. The log has them under the same queue id.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_ENUM, struct rewrite_options, header_errors, "header_errors", "refuse",
             "what happens to faulty address fields",
             "Refused with 554 are addresses in From, Sender, Reply-To, To, Cc, Bcc and their "
             "Resent- forms that cannot be read or whose domain is not fully qualified, a From "
             "without an address, and a second From or Sender (RFC 6409 4.2, 5.1, 6.3). With "
             "\"accept\" they are sent as they are; receivers then choose what they mean. But From "
             "and Sender are refused as before, unless the login may send as anybody "
             "(permissions). A header "
             "that is no header at all (lines without a colon, over-long lines) is refused in any "
             "case.",
             .names = header_errors_names, .flags = CONF_RELOAD),
    CONF_ROW(CONF_STRINGS, struct rewrite_options, drop, "drop",
             "[ \"Bcc\", \"Resent-Bcc\", \"Return-Path\", \"X-Originating-IP\" ]",
             "fields that are removed",
             "Names of header fields, in any case. They are removed with all their lines, and no "
             "other field is. Recipients in Bcc are those of RCPT TO; they get the message as "
             "everybody does, without the field (RFC 5322 3.6.3). An empty array keeps them all. "
             "Fields that a message cannot do without, such as From and Content-Type, are refused.",
             .flags = CONF_RELOAD, .check = check_drop),
    CONF_ROW(
        CONF_BOOL, struct rewrite_options, drop_forged_results, "drop_forged_results", "true",
        "remove Authentication-Results in our name",
        "Receivers may trust such a field by the name that stands first in it. One that "
        "names hostname or a name within domains was not written by us, and is removed (RFC 8601 "
        "section 5).",
        .flags = CONF_RELOAD),
    CONF_ROW(
        CONF_LIST, struct rewrite_options, dkim, "dkim", NULL, "signatures of domains",
        "DKIM (RFC 6376): each message is signed by the domain of its From, with every kind of "
        "key that the domain has here, so that receivers can tell it from a forged one. It is "
        "signed last, when milters have seen it, over the bytes that are sent.",
        .flags = CONF_RELOAD, .rows = rewrite_dkim_options_rows,
        .item_bytes = sizeof(struct rewrite_dkim_options),
        .example = "( { domain = \"example.net\"; selector = \"s2026\"; "
                   "key = \"/etc/msa/s2026.pem\"; } )"),
    CONF_ROW(
        CONF_LIST, struct rewrite_options, smime, "smime", NULL, "signatures of S/MIME",
        "The first entry that fits author and login, and whose certificate can be used, signs "
        "(RFC 8551; RFC 6409 8.5): the message becomes multipart/signed, after the milters and "
        "before DKIM. Its body is first made 7-bit. What is signed or encrypted already (the "
        "content counts: a Content-Type that only says so does not), and what a gateway sends, is "
        "left as it is. Header fields but for those of the body "
        "(Content-) are not protected: neither Subject nor From.",
        .flags = CONF_RELOAD, .rows = rewrite_smime_rows,
        .item_bytes = sizeof(struct rewrite_smime_options)),
    CONF_ROW(
        CONF_LIST, struct rewrite_options, encrypt, "encrypt", NULL, "encryption of S/MIME",
        "The first entry that fits a recipient decides (RFC 8551; RFC 6409 8.6); with no entry "
        "nothing is encrypted. Signed first, then encrypted (AES-256-CBC, one message for all "
        "recipients that To and Cc name). Each recipient that they do not name gets a message "
        "of its own, so that nobody learns of it; recipients without a certificate get the "
        "message as it is. Each of these is a message in the queue, with its id in the log. "
        "What is encrypted already (an application/pkcs7-mime or multipart/encrypted that begins "
        "as CMS or OpenPGP do; for whom is not looked at), and what a gateway sends, is left as it "
        "is. Subject and all other header fields stay readable.",
        .flags = CONF_RELOAD, .rows = rewrite_encrypt_rows,
        .item_bytes = sizeof(struct rewrite_encrypt_options)),
    CONF_ROW(
        CONF_STRINGS, struct rewrite_options, certificates, "certificates", NULL,
        "certificates of recipients: PEM files, folders of them, directories",
        "A file may hold several certificates, each for the addresses that it names. In a "
        "folder a file ADDRESS.pem (bob@example.org.pem) holds those of that address, which "
        "they must name. They are read at start and at SIGHUP. A URL names a directory (LDAP), "
        "which "
        "the keeper asks for recipients that have no usable certificate in files: "
        "\"ldaps://HOST/BASE?userCertificate;binary?sub?(mail=%s)\", the address in the place of "
        "%s; "
        "up to four, in turn. What it says counts for ten minutes, that it has none for one. Where "
        "it does not answer, mail to such a recipient is answered 451 4.7.0, whatever the policy "
        "says: or who silences it could read what is sent. With ldap in place of ldaps, whoever is "
        "on the way can put a certificate of his own in its place; certificate_ca prevents that. "
        "No "
        "chain is verified where certificate_ca is not set. A certificate that has expired, is not "
        "valid yet or not meant for encryption of mail (keyUsage, emailProtection), or that does "
        "not name the address, is never used; of several the newest is.",
        .flags = CONF_RELOAD, .check = rewrite_smime_check_path,
        .example = "[ \"/etc/msa/smime\" ]"),
    CONF_ROW(
        CONF_PATH, struct rewrite_options, certificate_ca, "certificate_ca", NULL,
        "authorities of recipients' certificates",
        "A PEM file with the authorities that are trusted, and with those between that their "
        "chains need. Where it is set, a recipient's certificate that none of them vouches for "
        "at the time is never used. Revocation lists are not looked at.",
        .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/smime-ca.pem\""),
    CONF_ROW(CONF_GROUP, struct rewrite_options, directory, "directory", NULL,
             "how the directories of certificates are asked",
             "Where certificates has URLs. The first of them counts at the next start, not at a "
             "reload: without one the keeper has no network.",
             .flags = CONF_RELOAD, .rows = rewrite_directory_rows),
    CONF_ROW(
        CONF_LIST, struct rewrite_options, rules, "rules", NULL, "addresses that are rewritten",
        "Each entry says which addresses become which (RFC 6409 8.8). For an address the first "
        "entry that matches counts, and none is applied to what another has given. The "
        "permissions judge an address as it was submitted. Of the header nothing changes but "
        "the octets of the addresses themselves; the mail of a gateway (permissions) is "
        "rewritten in its envelope only. A recipient that is rewritten is named to receivers "
        "and in reports as the original one, too (RFC 3461 4.2).",
        .flags = CONF_RELOAD, .rows = rule_rows, .item_bytes = sizeof(struct rewrite_rule_options),
        .example = "( { match = \"*@*.sales.example.net\"; replace = \"*@sales.example.net\"; } )"),
    CONF_ROW(
        CONF_ENUM, struct rewrite_options, resolve_aliases, "resolve_aliases", "false",
        "put the canonical name in the place of an alias",
        "A domain that is an alias in the DNS (CNAME) gives way to the name that it stands for "
        "(RFC 6409 8.7): with \"envelope\" in MAIL FROM and RCPT TO, with \"both\" also in the "
        "address fields of the header, of which 100 domains at most are looked up. Names of "
        "ours, and those that a route names, stay. Where the DNS does not answer the message "
        "is refused for the time being, 451. The rules see the name that was found. False: "
        "aliases are left as they are, since more than a domain may hang on such a name.",
        .names = resolve_aliases_names, .flags = CONF_RELOAD),
    CONF_END,
};
