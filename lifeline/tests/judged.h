/* What `lifeline check` says of a script, in one short line. */
#ifndef JUDGED_H
#define JUDGED_H

#include "script.h"

#include "../rules.h"

/* Writes the script to a file, reads it back, checks it. Fills in both; the caller gives them back with judged_free. */
struct judged {
    struct recording rec;
    struct check check;
};

void judge_script(struct judged *j, const struct script *s);
void judged_free(struct judged *j);

/* "rule task N line N" of every finding that does not follow from another, joined by "; ". "clean": none. */
const char *judged_words(const struct judged *j, char *to, size_t size);

/* A file name of this process's own, in the directory for temporary files. */
const char *scratch_path(void);

#endif
