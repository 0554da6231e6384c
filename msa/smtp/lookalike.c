/*
 * Design: a domain is read label by label into code points. Each code point is of a script; which
 * sets of scripts may meet in one label is a small table. What a domain looks like is its skeleton:
 * each letter that looks like one of ASCII becomes that one. Two domains whose skeletons are equal
 * cannot be told apart by a reader.
 */
#include "msa/smtp/lookalike.h"

#include "msa/base/utf8.h"
#include "msa/smtp/idn.h"

#define SKELETON_MAX 255

/* Scripts as bits, as far as they are told apart here. OTHER is one of those that no row names. */
enum script {
    COMMON = 0,
    LATIN = 1,
    GREEK = 2,
    CYRILLIC = 4,
    ARMENIAN = 8,
    HEBREW = 16,
    ARABIC = 32,
    HAN = 64,
    HIRAGANA = 128,
    KATAKANA = 256,
    BOPOMOFO = 512,
    HANGUL = 1024,
    GEORGIAN = 2048,
    CHEROKEE = 4096,
    THAI = 8192,
    INDIC = 16384, /* one of them: see indic_block() */
    OTHER = 32768,
};

/* In ascending order; what lies between is OTHER. Combining marks and digits are common. */
static const struct {
    uint32_t from, to;
    enum script script;
} scripts[] = {
    {0x2D, 0x2D, COMMON},       {0x30, 0x39, COMMON},       {0x5F, 0x5F, COMMON},
    {0x61, 0x7A, LATIN},        {0xB7, 0xB7, COMMON},       {0xDF, 0xF6, LATIN},
    {0xF8, 0x2AF, LATIN},       {0x2B0, 0x2FF, COMMON},     {0x300, 0x36F, COMMON},
    {0x370, 0x3FF, GREEK},      {0x400, 0x52F, CYRILLIC},   {0x530, 0x58F, ARMENIAN},
    {0x591, 0x5FF, HEBREW},     {0x600, 0x6FF, ARABIC},     {0x750, 0x77F, ARABIC},
    {0x8A0, 0x8FF, ARABIC},     {0x900, 0xDFF, INDIC},      {0xE00, 0xE7F, THAI},
    {0x10A0, 0x10FF, GEORGIAN}, {0x1100, 0x11FF, HANGUL},   {0x13A0, 0x13FF, CHEROKEE},
    {0x1AB0, 0x1AFF, COMMON},   {0x1C80, 0x1C8F, CYRILLIC}, {0x1C90, 0x1CBF, GEORGIAN},
    {0x1D00, 0x1D25, LATIN},    {0x1D2B, 0x1D2B, CYRILLIC}, {0x1DC0, 0x1DFF, COMMON},
    {0x1E00, 0x1EFF, LATIN},    {0x1F00, 0x1FFF, GREEK},    {0x200C, 0x200D, COMMON},
    {0x20D0, 0x20FF, COMMON},   {0x2C60, 0x2C7F, LATIN},    {0x2D00, 0x2D2F, GEORGIAN},
    {0x2DE0, 0x2DFF, CYRILLIC}, {0x2E80, 0x2FDF, HAN},      {0x3005, 0x3007, HAN},
    {0x3041, 0x3096, HIRAGANA}, {0x3099, 0x309A, COMMON},   {0x309D, 0x309F, HIRAGANA},
    {0x30A1, 0x30FA, KATAKANA}, {0x30FB, 0x30FC, COMMON},   {0x30FD, 0x30FF, KATAKANA},
    {0x3105, 0x312F, BOPOMOFO}, {0x3130, 0x318F, HANGUL},   {0x31A0, 0x31BF, BOPOMOFO},
    {0x31F0, 0x31FF, KATAKANA}, {0x3400, 0x4DBF, HAN},      {0x4E00, 0x9FFF, HAN},
    {0xA640, 0xA69F, CYRILLIC}, {0xA720, 0xA7FF, LATIN},    {0xA960, 0xA97F, HANGUL},
    {0xAB30, 0xAB6F, LATIN},    {0xAB70, 0xABBF, CHEROKEE}, {0xAC00, 0xD7FF, HANGUL},
    {0xF900, 0xFAFF, HAN},      {0xFE20, 0xFE2F, COMMON},   {0x20000, 0x3FFFF, HAN},
};

/* What may meet in one label: UTS 39 5.2, highly restrictive. */
static const unsigned together[] = {
    LATIN | HAN | HIRAGANA | KATAKANA,
    LATIN | HAN | BOPOMOFO,
    LATIN | HAN | HANGUL,
};

/* Small letters that look like one of ASCII, in ascending order. */
static const struct {
    uint16_t point;
    char like;
} letters[] = {
    {0x131, 'i'},  {0x185, 'b'},  {0x251, 'a'},  {0x261, 'g'},  {0x269, 'i'},  {0x26A, 'i'},
    {0x28B, 'v'},  {0x28F, 'y'},  {0x3B1, 'a'},  {0x3B3, 'y'},  {0x3B5, 'e'},  {0x3B7, 'n'},
    {0x3B9, 'i'},  {0x3BA, 'k'},  {0x3BD, 'v'},  {0x3BF, 'o'},  {0x3C1, 'p'},  {0x3C3, 'o'},
    {0x3C4, 't'},  {0x3C5, 'u'},  {0x3C7, 'x'},  {0x3C9, 'w'},  {0x3F2, 'c'},  {0x3F3, 'j'},
    {0x430, 'a'},  {0x432, 'b'},  {0x433, 'r'},  {0x435, 'e'},  {0x438, 'u'},  {0x43A, 'k'},
    {0x43C, 'm'},  {0x43D, 'h'},  {0x43E, 'o'},  {0x43F, 'n'},  {0x440, 'p'},  {0x441, 'c'},
    {0x442, 't'},  {0x443, 'y'},  {0x445, 'x'},  {0x448, 'w'},  {0x44C, 'b'},  {0x455, 's'},
    {0x456, 'i'},  {0x458, 'j'},  {0x475, 'v'},  {0x4AF, 'y'},  {0x4BB, 'h'},  {0x4BD, 'e'},
    {0x4CF, 'l'},  {0x501, 'd'},  {0x51B, 'q'},  {0x51D, 'w'},  {0x561, 'w'},  {0x563, 'q'},
    {0x566, 'q'},  {0x56C, 'l'},  {0x570, 'h'},  {0x575, 'j'},  {0x578, 'n'},  {0x57C, 'n'},
    {0x57D, 'u'},  {0x581, 'g'},  {0x584, 'f'},  {0x585, 'o'},  {0x1D04, 'c'}, {0x1D0B, 'k'},
    {0x1D0F, 'o'}, {0x1D11, 'o'}, {0x1D1C, 'u'}, {0x1D20, 'v'}, {0x1D21, 'w'}, {0x1D22, 'z'},
};

/* The blocks of India's scripts are 128 characters each. */
static uint32_t indic_block(uint32_t point)
{
    return point >> 7;
}

static enum script script_of(uint32_t point)
{
    size_t low = 0, high = sizeof scripts / sizeof *scripts;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (point < scripts[mid].from)
            high = mid;
        else if (point > scripts[mid].to)
            low = mid + 1;
        else
            return scripts[mid].script;
    }
    return OTHER;
}

static bool may_meet(unsigned set)
{
    if ((set & (set - 1)) == 0)
        return true; /* one, or none */
    for (size_t i = 0; i < sizeof together / sizeof *together; i++)
        if ((set & ~together[i]) == 0)
            return true;
    return false;
}

/* The label's code points; none: it is no label that could be read. */
static size_t read_label(struct sv label, uint32_t points[SMTP_LABEL_MAX])
{
    size_t count = 0;
    if (smtp_idn_concerns(label))
        return smtp_idn_points(label, points, &count) < 0 ? 0 : count;
    for (; count < label.len && count < SMTP_LABEL_MAX; count++)
        points[count] = (unsigned char)ascii_lower(label.ptr[count]);
    return count;
}

/* The scripts of one word so far. */
struct word {
    unsigned set;
    uint32_t block; /* of INDIC */
    bool mixed;
};

static void add_point(struct word *w, uint32_t point)
{
    enum script script = script_of(point);
    w->set |= script;
    w->mixed = w->mixed || !may_meet(w->set);
    if (script != INDIC)
        return;
    w->mixed = w->mixed || (w->block && w->block != indic_block(point));
    w->block = indic_block(point);
}

static bool label_mixed(struct sv label)
{
    uint32_t points[SMTP_LABEL_MAX];
    struct word w = {0};
    size_t count = smtp_idn_concerns(label) ? read_label(label, points) : 0;
    for (size_t i = 0; i < count; i++)
        add_point(&w, points[i]);
    return w.mixed;
}

bool smtp_lookalike_mixed_text(struct sv text)
{
    struct word w = {0};
    for (size_t n; !w.mixed && (n = utf8_length(text)) > 0; text = sv_skip(text, n)) {
        uint32_t point = utf8_point(text);
        if (point < 128 && !ascii_alpha((char)point) && !ascii_digit((char)point))
            w = (struct word){0};
        else
            add_point(&w, point < 128 ? (unsigned char)ascii_lower((char)point) : point);
    }
    return w.mixed;
}

bool smtp_lookalike_mixed(struct sv domain)
{
    while (domain.len)
        if (label_mixed(sv_split(&domain, '.')))
            return true;
    return false;
}

static uint32_t like(uint32_t point)
{
    size_t low = 0, high = sizeof letters / sizeof *letters;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (point == letters[mid].point)
            return (unsigned char)letters[mid].like;
        if (point < letters[mid].point)
            high = mid;
        else
            low = mid + 1;
    }
    return point;
}

/* Letters and digits of ASCII that are read as others, in common typefaces. */
static size_t loosen(uint32_t *out, size_t n)
{
    static const struct {
        char pair[3], like;
    } pairs[] = {{"rn", 'm'}, {"vv", 'w'}};
    uint32_t *last = &out[n - 1];
    if (*last == '0')
        *last = 'o';
    if (*last == '1')
        *last = 'l';
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && n > 1; i++)
        if (out[n - 2] == (uint32_t)pairs[i].pair[0] && *last == (uint32_t)pairs[i].pair[1]) {
            out[n - 2] = (uint32_t)pairs[i].like;
            return n - 1;
        }
    return n;
}

/* Code points of the whole domain, each as what it looks like. */
static size_t skeleton(struct sv domain, bool loosely, uint32_t out[SKELETON_MAX])
{
    uint32_t points[SMTP_LABEL_MAX];
    size_t n = 0;
    while (domain.len && n < SKELETON_MAX) {
        size_t count = read_label(sv_split(&domain, '.'), points);
        for (size_t i = 0; i < count && n < SKELETON_MAX; i++) {
            out[n++] = like(points[i]);
            n = loosely ? loosen(out, n) : n;
        }
        if (domain.len && n < SKELETON_MAX)
            out[n++] = '.';
    }
    return n;
}

static size_t count_labels(struct sv domain)
{
    size_t dots = 0;
    for (size_t i = 0; i < domain.len; i++)
        dots += domain.ptr[i] == '.';
    return dots + 1;
}

static bool is_like(struct sv domain, struct sv ours, bool loosely)
{
    uint32_t a[SKELETON_MAX], b[SKELETON_MAX];
    size_t labels = count_labels(domain), wanted = count_labels(ours);
    for (; labels > wanted; labels--)
        sv_split(&domain, '.');
    if (labels < wanted || sv_ieq(domain, ours))
        return false;
    size_t na = skeleton(domain, loosely, a), nb = skeleton(ours, loosely, b);
    for (size_t i = 0; na == nb && i < na; i++)
        if (a[i] != b[i])
            return false;
    return na == nb;
}

bool smtp_lookalike_of(struct sv domain, struct sv ours)
{
    return is_like(domain, ours, false);
}

bool smtp_lookalike_of_loosely(struct sv domain, struct sv ours)
{
    return is_like(domain, ours, true);
}
