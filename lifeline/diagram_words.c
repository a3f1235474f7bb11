/* Words around a diagram: its footer, and how labels and numbers are written in all outputs. */
#include "describe.h"
#include "diagram.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_LABEL = 64 }; /* bytes */

unsigned diagram_footer(const struct diagram *d, struct pool *pool, const char *lines[DIAGRAM_FOOTERS])
{
    const struct recording *rec = d->rec;
    char text[DESCRIBE_SIZE];
    unsigned count = 0;

    const char *about = pool_format(pool, "%s: %zu event%s in %s", file_base(rec->path), rec->count,
                                    rec->count == 1 ? "" : "s", describe_time(d->last - d->first, text, sizeof text));
    if (d->not_drawn)
        about = pool_format(pool, "%s; %" PRIu64 " without an arrow (`lifeline dump` lists them)", about, d->not_drawn);
    if (d->left_out)
        about = pool_format(pool, "%s; left out: %s, where no task came that is shown", about, d->left_out);
    lines[count++] = about;
    if (d->part)
        lines[count++] = d->part;
    if (!rec->ended_in_order)
        lines[count++] = "The recording breaks off here: the program was killed, or it crashed.";
    if (rec->dropped)
        lines[count++] = pool_format(pool, "The recording was full: %" PRIu64 " events are missing.", rec->dropped);
    if (d->unknown)
        lines[count++] = pool_format(pool, "%" PRIu64 " events are of kinds that this lifeline does not know.",
                                     d->unknown);
    return count;
}

bool diagram_long_wait(uint64_t passed, uint64_t whole)
{
    return passed >= 100000 && passed >= whole / 20;
}

const char *label_shown(struct pool *pool, const char *label)
{
    int length = LONGEST_LABEL;

    if (strlen(label) <= LONGEST_LABEL + 3)
        return label;
    while (length > 0 && ((unsigned char)label[length] & 0xc0) == 0x80) /* not in the middle of a letter */
        length--;
    return pool_format(pool, "%.*s...", length, label);
}

const char *format_grouped(uint64_t number, char *text)
{
    char digits[GROUPED_SIZE];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, number), at = 0;

    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}
