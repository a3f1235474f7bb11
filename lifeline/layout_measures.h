/* Sizes that the columns and the rows of a page must agree on, in points. */
#ifndef LAYOUT_MEASURES_H
#define LAYOUT_MEASURES_H

#include "layout.h"

#define PAGE_MARGIN     12.0
#define TITLE_SIZE      15.0
#define HEAD_SIZE       12.0
#define HEAD_HEIGHT     34.0
#define DETAIL_SIZE     9.0
#define LABEL_SIZE      11.0
#define LABEL_PAD       7.0
#define LABEL_RISE      8.5 /* of a label's middle above its arrow */
#define NUMBER_WIDTH    24.0
#define TIME_WIDTH      62.0
#define SOURCE_SIZE     8.5
#define STEP_SIZE       10.0
#define BADGE_SIZE      8.5
#define BAND_SIZE       11.0
#define BAND_HEAD       22.0
#define BAND_FOOT       8.0
#define BAND_GAP        8.0
#define LOOP_SIZE       10.0
#define WAIT_SIZE       9.0
#define WAIT_HEIGHT     18.0
#define FOOTER_SIZE     8.5
#define MESSAGE_ABOVE   19.0
#define MESSAGE_BELOW   6.0
#define RAIL_NOTE_WIDTH 168.0
#define NOTE_WIDTH      150.0
#define BAR_HALF        5.0
#define BAR_SHIFT       5.0 /* of a second bar at the same actor */
#define MOST_SLOTS      5   /* bars side by side; more lie on top of each other */

/* How far the bars of an actor can reach to the right of its lifeline. */
double bars_reach(int actor, const struct columns *c);

/* "executor.c:88" */
const char *source_label(struct pool *pool, const struct place *place);

/* "x 1,000" */
const char *loop_label(struct pool *pool, const struct row *row);

/* The text in lines that are at most so wide; says how many. */
const char *text_wrapped(struct pool *pool, const char *text, double width, double size, unsigned *lines);

/* The width of a note around a wrapped text. */
double note_width(const char *wrapped);

#endif
