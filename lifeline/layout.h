/* A diagram, laid out: where everything on one page stands, in points, x to the right and y downward from the top left.
 *
 * Widths of texts come from a table of Arial, so the same diagram has the same positions on every machine. Whatever
 * draws a page only has to walk through these arrays, in this order: what comes later lies on top. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "diagram.h"

struct box {
    double x, y, w, h; /* x and y: its top left corner */
};

enum ink { INK_TEXT, INK_SOFT, INK_REPLY, INK_WAKE, INK_INFERRED, INK_BAND, INK_ALERT, INK_BADGE };

#define NO_ROW SIZE_MAX

struct laid_text {
    struct box box; /* exactly around the text, which is centred in it */
    const char *text;
    double size;
    bool bold;
    enum ink ink;
    size_t row; /* it links to that row's line of source; or NO_ROW */
};

struct laid_band {
    struct box box;
    int colour;
};

struct laid_head { /* an actor's box, above and below its lifeline */
    struct box box;
    int actor;
};

struct laid_line {
    double x, top, bottom;
    int actor;
};

struct laid_bar {
    struct box box;
    int actor;
};

struct laid_note {
    struct box box;
    const char *text; /* lines parted by newlines */
};

struct laid_badge {
    struct box box;
    unsigned step;
};

struct laid_pill { /* the number of a message */
    struct box box;
    const char *text;
    size_t row;
};

struct laid_loop { /* a bracket beside rows that repeat */
    double x, top, bottom;
};

struct laid_arrow {
    double from, to, y; /* to oneself: leaves at `from`, comes back to `to` LAYOUT_LOOP_DROP below */
    bool to_self;
    size_t row;
    struct laid_text label;
};

#define LAYOUT_SELF_WIDTH   26.0
#define LAYOUT_SELF_DROP    13.0
#define LAYOUT_NUMBER_SIZE  8.5
#define LAYOUT_NOTE_SIZE    9.0
#define LAYOUT_NOTE_LEADING 11.0

#define LAYOUT_ARRAY(type, name)                                                                                       \
    struct type *name;                                                                                                 \
    size_t name##_count;

struct layout {
    const struct diagram *d;
    double width, height;
    LAYOUT_ARRAY(laid_band, bands)
    LAYOUT_ARRAY(laid_head, heads)
    LAYOUT_ARRAY(laid_line, lines)
    LAYOUT_ARRAY(laid_bar, bars)
    LAYOUT_ARRAY(laid_loop, loops)
    LAYOUT_ARRAY(laid_note, notes)
    LAYOUT_ARRAY(laid_badge, badges)
    LAYOUT_ARRAY(laid_pill, pills)
    LAYOUT_ARRAY(laid_text, texts)
    LAYOUT_ARRAY(laid_arrow, arrows)  /* in the order of the rows */
    LAYOUT_ARRAY(laid_arrow, samples) /* of the legend; row: enum row_style */
    struct pool pool;
};

struct columns {                                     /* the same on all pages */
    double *x;                                       /* [actor_count]: of the lifelines */
    double *half;                                    /* [actor_count]: half the width of the heads */
    int *slots;                                      /* [actor_count]: most bars that are open at once */
    double rail, number, source, left, right, width; /* x of each part, and of the right edge */
    double number_width;
    bool has_steps, notes;
};

struct page {
    size_t first, end; /* rows */
    unsigned number, count;
};

/* Works out the columns for all rows of a diagram. notes: room for the explanations of the steps. */
void columns_make(struct columns *c, const struct diagram *d, bool notes);
void columns_free(struct columns *c);

/* Cuts a diagram into pages of so many messages; returns a malloc'ed array. */
struct page *pages_make(const struct diagram *d, uint64_t messages, unsigned *count);

void layout_make(struct layout *l, const struct diagram *d, const struct columns *c, const struct page *page);
void layout_free(struct layout *l);

/* How wide a text is, in points. */
double text_width(const char *text, double size, bool bold);

#endif
