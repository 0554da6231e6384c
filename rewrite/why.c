#include "rewrite/why.h"

#include "msa/base/require.h"

static const struct rewrite_why_row rows[] = {
#define WHY_ROW(name, section, words, setting) [REWRITE_WHY_##name] = {section, words, setting},
    REWRITE_WHYS(WHY_ROW)
#undef WHY_ROW
};

const struct rewrite_why_row *rewrite_why_row(enum rewrite_why why)
{
    REQUIRE(why < REWRITE_WHY_COUNT);
    return &rows[why];
}
