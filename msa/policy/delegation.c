#include "msa/policy/delegation.h"

static int put_clean(struct buf *out, struct sv value)
{
    int err = 0;
    for (size_t i = 0; i < value.len && err == 0; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        err = buf_append(out, c < 32 || c == 127 ? "?" : &value.ptr[i], 1);
    }
    return err;
}

static int put_line(struct buf *out, const char *name, struct sv value)
{
    int err = buf_printf(out, "%s=", name);
    err = err ? err : put_clean(out, value);
    return err ? err : buf_put(out, SV("\n"));
}

int delegation_write(const struct delegation_request *r, struct buf *out)
{
    /* what we know nothing of, and some services look for */
    static const char unknown[] = "client_name=unknown\nreverse_client_name=unknown\n"
                                  "ccert_subject=\nccert_issuer=\nccert_fingerprint=\n"
                                  "ccert_pubkey_fingerprint=\nencryption_keysize=0\n"
                                  "etrn_domain=\nstress=\n";
    int err = buf_put(out, SV("request=smtpd_access_policy\n"));
#define LINE(name, field) err = err ? err : put_line(out, name, r->field);
    DELEGATION_TEXTS(LINE)
#undef LINE
    err = err ? err
              : buf_printf(out, "recipient_count=%u\nsize=%llu\n", r->recipient_count,
                           (unsigned long long)r->size);
    err = err ? err : buf_put(out, sv_of(unknown));
    return err ? err : buf_put(out, SV("\n"));
}

static const struct {
    const char *word;
    enum delegation_action action;
} actions[] = {
    {"OK", DELEGATION_PASS},
    {"DUNNO", DELEGATION_PASS},
    {"PERMIT", DELEGATION_PASS},
    {"DEFER_IF_REJECT", DELEGATION_PASS}, /* nothing that follows rejects by its own */
    {"REJECT", DELEGATION_REFUSE},
    {"DEFER", DELEGATION_DEFER},
    {"DEFER_IF_PERMIT", DELEGATION_DEFER},
    {"HOLD", DELEGATION_HOLD},
    {"DISCARD", DELEGATION_DISCARD},
    {"PREPEND", DELEGATION_PREPEND},
    {"INFO", DELEGATION_NOTE},
    {"WARN", DELEGATION_NOTE},
};

static bool is_code(struct sv word)
{
    return word.len == 3 && (word.ptr[0] == '4' || word.ptr[0] == '5') &&
           ascii_digit(word.ptr[1]) && ascii_digit(word.ptr[2]);
}

static void read_action(struct sv all, struct delegation_answer *out)
{
    struct sv rest = all, word = sv_split(&rest, ' ');
    out->action = DELEGATION_UNKNOWN;
    out->text = all;
    if (is_code(word)) {
        out->action = DELEGATION_REPLY;
        return;
    }
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (sv_ieq(word, sv_of(actions[i].word))) {
            out->action = actions[i].action;
            out->text = sv_trim(rest);
        }
}

enum delegation_progress delegation_parse(struct sv bytes, struct delegation_answer *out)
{
    struct sv rest = bytes;
    bool found = false;
    for (;;) {
        size_t end = sv_find(rest, '\n');
        if (end == rest.len)
            return bytes.len >= DELEGATION_ANSWER_MAX ? DELEGATION_BAD : DELEGATION_MORE;
        struct sv line = sv_first(rest, end);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        rest = sv_skip(rest, end + 1);
        if (line.len == 0)
            break;
        if (!found && sv_istarts(line, SV("action="))) {
            read_action(sv_trim(sv_skip(line, 7)), out);
            found = true;
        }
    }
    out->bytes = bytes.len - rest.len;
    return found ? DELEGATION_DONE : DELEGATION_BAD;
}
