#include "judged.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *scratch_path(void)
{
    static char path[300];
    const char *directory = getenv("TMPDIR");

    if (*path)
        return path; /* a child has its parent's */
    snprintf(path, sizeof path, "%.200s/lifeline-test-%d.trace", directory ? directory : "/tmp", (int)getpid());
    return path;
}

void judge_script(struct judged *j, const struct script *s)
{
    char error[256];

    script_write(s, scratch_path());
    if (recording_open(&j->rec, scratch_path(), error, sizeof error) < 0) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    check_run(&j->check, &j->rec);
    unlink(scratch_path());
}

void judged_free(struct judged *j)
{
    check_free(&j->check);
    recording_close(&j->rec);
}

const char *judged_words(const struct judged *j, char *to, size_t size)
{
    size_t used = (size_t)snprintf(to, size, "%s", j->check.finding_count ? "" : "clean");

    for (size_t i = 0; i < j->check.finding_count && used < size; i++) {
        const struct finding *finding = &j->check.findings[i];
        const struct place *place = event_place(&j->rec, &j->rec.events[finding->event]);

        if (finding->follows)
            continue;
        used += (size_t)snprintf(to + used, size - used, "%s%s task %u line %u", i ? "; " : "", finding->rule->id,
                                 finding->task, place->line);
    }
    return to;
}
