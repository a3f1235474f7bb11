/* Pictures of a diagram, each in its own format. All return 0, or -errno if `out` could not be written. */
#ifndef RENDER_H
#define RENDER_H

#include "layout.h"

#include <stdio.h>

/* One page as "svg", "png", "pdf" or "dot". Every arrow links to source_prefix + file + "#L" + line. */
int render_graphviz(const struct layout *l, const char *format, const char *source_prefix, FILE *out);

/* A sequenceDiagram. Mermaid limits the length of its input: diagrams must be shortened before. notes: explain steps. */
int render_mermaid(const struct diagram *d, bool notes, FILE *out);

struct text_options {
    bool utf8; /* may use lines and arrows beyond ASCII */
    bool colour;
    bool notes; /* explain the steps */
};

/* For a terminal of 80 columns. */
int render_text(const struct diagram *d, const struct text_options *options, FILE *out);

/* Chrome's trace event format: threads with slices, arrows from each wake to the poll that answers it. */
int render_perfetto(const struct recording *rec, FILE *out);

/* Everything that is known of the event behind a row, in one line. */
const char *row_tooltip(const struct diagram *d, const struct row *row, struct pool *pool);

/* The link of a place: what is no letter of a path is escaped, so it is always a path and never a scheme. */
const char *place_link(const struct place *place, const char *prefix, struct pool *pool);

#endif
