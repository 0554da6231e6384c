/*
 * Messages through the MIME walker and every form of them: pieces of any size have one structure,
 * a form keeps its promise, and read again it has the same structure and contents; what needs no
 * change is the input. A small limit for header sections is reached, too.
 */
#include "tests/unit/rewrite/mime_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = {(const char *)data, size};
    check_mime_message(text, 2000);
    check_mime_message(text, 60);
    return 0;
}
