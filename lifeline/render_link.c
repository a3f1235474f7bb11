/* Links and tooltips: from a row back to the recording and to the source. */
#include "describe.h"
#include "render.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

const char *row_tooltip(const struct diagram *d, const struct row *row, struct pool *pool)
{
    const struct event *ev = &d->rec->events[row->event];
    const struct place *place = event_place(d->rec, ev);
    char args[DESCRIBE_SIZE], time[DESCRIBE_SIZE], thread[DESCRIBE_SIZE];
    const char *kind = event_kind_name(ev->kind);

    const char *what = pool_format(pool, "%s: event %zu at %s in %s: %s", row->text, row->event + 1,
                                   describe_time(ev->time, time, sizeof time),
                                   describe_thread(d->rec, ev->thread, thread, sizeof thread), kind ? kind : "?");
    if (ev->task)
        what = pool_format(pool, "%s, task %" PRIu32, what, ev->task);
    describe_args(d->rec, ev, args, sizeof args);
    if (args[0])
        what = pool_format(pool, "%s, %s", what, args);
    if (place->line)
        what = pool_format(pool, "%s (%s:%" PRIu32 " in %s)", what, place->file, place->line, place->function);
    what = pool_clean(pool, what);
    return row->style == STYLE_INFERRED ? pool_format(pool, "inferred from: %s", what) : what;
}

const char *place_link(const struct place *place, const char *prefix, struct pool *pool)
{
    char path[3 * 256 + 1];
    size_t at = 0;

    for (const char *c = place->file; *c && at + 3 < sizeof path; c++) {
        if (isalnum((unsigned char)*c) || strchr("/._-+~", *c))
            path[at++] = *c;
        else
            at += (size_t)snprintf(path + at, sizeof path - at, "%%%02X", (unsigned char)*c);
    }
    path[at] = '\0';
    return pool_format(pool, "%s%s#L%" PRIu32, prefix, path, place->line);
}
