/* The rows of one page, from top to bottom. The columns were worked out before: see layout_columns.c. */
#include "layout.h"

#include "describe.h"
#include "layout_measures.h"
#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct open_bar {
    int actor, slot;
    uint16_t thread;
    double top;
};

struct pen { /* where we are on the page */
    struct layout *l;
    const struct diagram *d;
    const struct columns *c;
    double y;         /* everything above is taken */
    double rail_free; /* the same for the rail of steps */
    struct open_bar *open;
    size_t open_count;
    unsigned explained; /* bit n: step n has had its note on this page */
    double band_top;    /* of the band that is open, or < 0 */
    int band_colour;
    double loop_top;        /* of the loop that is open */
    const struct row *loop; /* NULL: none */
    uint64_t last_time;
    bool first; /* no message yet */
};

#define ADD(l, name)                                                                                                   \
    (*((l)->name = memory_more((l)->name, (l)->name##_count, sizeof *(l)->name), &(l)->name[(l)->name##_count++]))

/* ---- texts ---- */

static struct laid_text text_at(const char *text, double size, bool bold, double x, double middle)
{
    return (struct laid_text){
        {x, middle - size * 0.6, text_width(text, size, bold), size * 1.2}, text, size, bold, INK_TEXT, NO_ROW};
}

static struct laid_text *text_left(struct layout *l, const char *text, double size, bool bold, double x, double middle)
{
    struct laid_text *t = &ADD(l, texts);

    *t = text_at(text, size, bold, x, middle);
    return t;
}

static struct laid_text *text_centred(struct layout *l, const char *text, double size, bool bold, double x,
                                      double middle)
{
    return text_left(l, text, size, bold, x - text_width(text, size, bold) / 2, middle);
}

/* ---- bars ---- */

static struct open_bar *bar_of(struct pen *p, int actor, uint16_t thread)
{
    for (size_t i = p->open_count; i-- > 0;)
        if (p->open[i].actor == actor && p->open[i].thread == thread)
            return &p->open[i];
    return NULL;
}

static int bar_free_slot(const struct pen *p, int actor)
{
    int slot = 0;

    for (size_t i = 0; i < p->open_count; i++) {
        if (p->open[i].actor == actor && p->open[i].slot == slot) {
            slot++;
            i = SIZE_MAX; /* look again for the next slot, from the start */
        }
    }
    return slot < MOST_SLOTS ? slot : MOST_SLOTS - 1;
}

static void bar_begin(struct pen *p, int actor, uint16_t thread, double y)
{
    p->open = memory_more(p->open, p->open_count, sizeof *p->open);
    p->open[p->open_count] = (struct open_bar){actor, bar_free_slot(p, actor), thread, y};
    p->open_count++;
}

static void bar_draw(struct pen *p, const struct open_bar *bar, double bottom)
{
    double x = p->c->x[bar->actor] - BAR_HALF + bar->slot * BAR_SHIFT;

    ADD(p->l, bars) = (struct laid_bar){{x, bar->top, 2 * BAR_HALF, bottom - bar->top}, bar->actor};
}

/* At the start of a page nothing above it is drawn: a bar that ends there leaves no trace. */
static void bar_end(struct pen *p, int actor, uint16_t thread, double y, bool visible)
{
    struct open_bar *bar = bar_of(p, actor, thread);

    if (!bar)
        return;
    if (visible)
        bar_draw(p, bar, y);
    memmove(bar, bar + 1, (size_t)(p->open + p->open_count - (bar + 1)) * sizeof *bar);
    p->open_count--;
}

/* Where an arrow touches an actor: the edge of its outermost bar on that side, or its lifeline. */
static double actor_edge(const struct pen *p, int actor, bool right)
{
    int low = MOST_SLOTS, high = -1;

    for (size_t i = 0; i < p->open_count; i++) {
        if (p->open[i].actor != actor)
            continue;
        low = p->open[i].slot < low ? p->open[i].slot : low;
        high = p->open[i].slot > high ? p->open[i].slot : high;
    }
    if (high < 0)
        return p->c->x[actor];
    return p->c->x[actor] + (right ? high * BAR_SHIFT + BAR_HALF : low * BAR_SHIFT - BAR_HALF);
}

/* ---- bands and loops ---- */

static void band_end(struct pen *p)
{
    if (p->band_top < 0)
        return;
    p->y += BAND_FOOT;
    ADD(p->l, bands) = (struct laid_band){{PAGE_MARGIN, p->band_top, p->c->width - 2 * PAGE_MARGIN, p->y - p->band_top},
                                          p->band_colour};
    p->band_top = -1;
    p->y += BAND_GAP;
}

static void band_begin(struct pen *p, const struct row *row, bool continued)
{
    if (p->rail_free > p->y)
        p->y = p->rail_free;
    band_end(p);
    p->band_top = p->y;
    p->band_colour = row->tint;
    const char *title = pool_format(&p->l->pool, "%" PRIu64 "  %s%s", row->number, row->text,
                                    continued ? " (continued)" : "");
    text_left(p->l, title, BAND_SIZE, true, PAGE_MARGIN + 8, p->y + 11)->ink = INK_BAND;
    p->y += BAND_HEAD;
    p->rail_free = p->y - 6;
}

static void loop_end(struct pen *p)
{
    if (!p->loop)
        return;
    double x = p->c->right + 3, middle = (p->loop_top + p->y) / 2;
    ADD(p->l, loops) = (struct laid_loop){x, p->loop_top, p->y};
    text_left(p->l, loop_label(&p->l->pool, p->loop), LOOP_SIZE, true, x + 6, middle)->ink = INK_ALERT;
    p->loop = NULL;
    p->y += 6;
}

static void loop_begin(struct pen *p, const struct row *row)
{
    loop_end(p);
    p->y += 4;
    p->loop_top = p->y;
    p->loop = row;
}

/* ---- one message ---- */

static enum ink style_ink(enum row_style style)
{
    static const enum ink inks[] = {
        [STYLE_CALL] = INK_TEXT, [STYLE_REPLY] = INK_REPLY, [STYLE_WAKE] = INK_WAKE, [STYLE_INFERRED] = INK_INFERRED};

    return inks[style];
}

static void message_gutter(struct pen *p, const struct row *row, size_t index, double y)
{
    struct layout *l = p->l;
    const struct place *place = event_place(p->d->rec, &p->d->rec->events[row->event]);

    const char *number = pool_format(&l->pool, "%" PRIu64, row->number);
    ADD(l, pills) = (struct laid_pill){{p->c->number, y - 7, p->c->number_width, 14}, number, index};
    if (!place->line || row->style == STYLE_INFERRED)
        return;
    const char *source = source_label(&l->pool, place);
    struct laid_text *t = text_left(l, source, SOURCE_SIZE, false, p->c->source, y);
    t->ink = INK_SOFT;
    t->row = index;
}

static bool short_run(const struct diagram *d)
{
    return d->last < 10000000;
}

/* All times of a diagram are in one unit, which the head of the column names. */
static void message_time(struct pen *p, const struct row *row, double y)
{
    double time_ns = (double)row->time;
    const char *time = short_run(p->d) ? pool_format(&p->l->pool, "%.1f", time_ns / 1e3)
                                       : pool_format(&p->l->pool, "%.3f", time_ns / 1e6);
    double x = p->c->width - PAGE_MARGIN - 6 - text_width(time, SOURCE_SIZE, false);

    text_left(p->l, time, SOURCE_SIZE, false, x, y)->ink = INK_SOFT;
}

/* A long wait is worth some room of its own. */
static void message_wait(struct pen *p, const struct row *row)
{
    uint64_t whole = p->d->last - p->d->first, passed = row->time - p->last_time;
    char text[DESCRIBE_SIZE];

    if (p->first || row->time < p->last_time || !diagram_long_wait(passed, whole))
        return;
    const char *wait = pool_format(&p->l->pool, "+ %s", describe_time(passed, text, sizeof text));
    double x = p->c->width - PAGE_MARGIN - 6 - text_width(wait, WAIT_SIZE, true);
    text_left(p->l, wait, WAIT_SIZE, true, x, p->y + 10)->ink = INK_BAND;
    p->y += WAIT_HEIGHT;
}

static double step_height(const struct pen *p, const struct row *row)
{
    unsigned lines;

    if (!p->c->notes || p->explained & 1u << row->step)
        return 16;
    text_wrapped(&p->l->pool, diagram_step_explained(row->step), RAIL_NOTE_WIDTH - 12, LAYOUT_NOTE_SIZE, &lines);
    return 18 + lines * LAYOUT_NOTE_LEADING + 8;
}

static void step_draw(struct pen *p, const struct row *row, double y)
{
    struct layout *l = p->l;
    double x = p->c->rail;
    const char *number = pool_format(&l->pool, "%u", row->step);
    unsigned lines;

    ADD(l, badges) = (struct laid_badge){{x, y - 8, 16, 16}, row->step};
    text_centred(l, number, BADGE_SIZE, true, x + 8, y)->ink = INK_BADGE;
    text_left(l, row->title, STEP_SIZE, true, x + 20, y);
    p->rail_free = y + step_height(p, row) - 7;
    if (!p->c->notes || p->explained & 1u << row->step)
        return;
    p->explained |= 1u << row->step;
    const char *text = text_wrapped(&l->pool, diagram_step_explained(row->step), RAIL_NOTE_WIDTH - 12, LAYOUT_NOTE_SIZE,
                                    &lines);
    ADD(l, notes) = (struct laid_note){{x + 20, y + 9, RAIL_NOTE_WIDTH, lines * LAYOUT_NOTE_LEADING + 6}, text};
}

/* In the gap nearest to the sender that fits the label; columns_make saw to it that there is one. */
static struct laid_text label_between(struct pen *p, const struct row *row, const char *label, double y)
{
    int step = row->to > row->from ? 1 : -1;
    double width = text_width(label, LABEL_SIZE, false), x = 0;

    for (int at = row->from; at != row->to; at += step) {
        int low = step > 0 ? at : at - 1;
        double left = p->c->x[low] + bars_reach(low, p->c) + LABEL_PAD;
        double right = p->c->x[low + 1] - BAR_HALF - LABEL_PAD;
        x = step > 0 ? left : right - width;
        if (right - left >= width - 0.01) {
            double slack = right - left - width;
            x = step > 0 ? left + (slack < 10 ? slack / 2 : 5) : right - width - (slack < 10 ? slack / 2 : 5);
            if (row->from + step == row->to) /* its own gap: in the middle */
                x = left + slack / 2;
            break;
        }
    }
    struct laid_text text = text_at(label, LABEL_SIZE, false, x, y - LABEL_RISE);
    return text;
}

static struct laid_text label_beside(struct pen *p, const struct row *row, const char *label, double y)
{
    double x = p->c->x[row->from] + bars_reach(row->from, p->c) + LAYOUT_SELF_WIDTH + 5;

    return text_at(label, LABEL_SIZE, false, x, y + LAYOUT_SELF_DROP / 2);
}

static void message_draw(struct pen *p, const struct row *row, size_t index)
{
    bool to_self = row->from == row->to, right = row->to >= row->from;
    struct laid_arrow arrow = {.row = index, .to_self = to_self};
    const char *label = label_shown(&p->l->pool, row->text);

    message_wait(p, row);
    double y = p->y + (to_self ? 8 : MESSAGE_ABOVE), low = to_self ? y + LAYOUT_SELF_DROP : y;
    if (row->step && y - 8 < p->rail_free)
        y = p->rail_free + 8, low = to_self ? y + LAYOUT_SELF_DROP : y;
    arrow.y = y;
    arrow.from = actor_edge(p, row->from, right);
    if (row->opens != NOBODY)
        bar_begin(p, row->opens, row->thread, to_self ? low - 3 : y - 3);
    arrow.to = actor_edge(p, row->to, to_self || !right);
    arrow.label = to_self ? label_beside(p, row, label, y) : label_between(p, row, label, y);
    arrow.label.ink = style_ink(row->style);
    arrow.label.bold = false;
    arrow.label.row = index;
    if (row->closes != NOBODY) {
        bar_end(p, row->closes, row->thread, y + 3, true);
        if (to_self)
            arrow.to = actor_edge(p, row->to, true);
    }
    ADD(p->l, arrows) = arrow;
    message_gutter(p, row, index, to_self ? y + LAYOUT_SELF_DROP / 2 : y);
    message_time(p, row, to_self ? y + LAYOUT_SELF_DROP / 2 : y);
    if (row->step)
        step_draw(p, row, y);
    p->y = low + MESSAGE_BELOW;
    p->last_time = row->time;
    p->first = false;
}

static void note_draw(struct pen *p, const struct row *row)
{
    unsigned lines;
    const char *text = text_wrapped(&p->l->pool, row->text, NOTE_WIDTH - 12, LAYOUT_NOTE_SIZE, &lines);
    double x = p->c->x[row->from] + bars_reach(row->from, p->c) + 6;
    double height = lines * LAYOUT_NOTE_LEADING + 8;

    ADD(p->l, notes) = (struct laid_note){{x, p->y + 5, note_width(text), height}, text};
    p->y += height + 8;
}

static void omitted_draw(struct pen *p, const struct row *row)
{
    loop_end(p);
    p->y += 8;
    double left = p->c->left - 4, width = p->c->right - left;
    unsigned lines;
    const char *text = text_wrapped(&p->l->pool, row->text, width - 24, LAYOUT_NOTE_SIZE, &lines);
    double height = lines * LAYOUT_NOTE_LEADING + 12;
    for (size_t i = 0; i < p->open_count; i++) { /* the box covers lifelines, but no bar: they stop and go on */
        bar_draw(p, &p->open[i], p->y - 2);
        p->open[i].top = p->y + height + 2;
    }
    ADD(p->l, notes) = (struct laid_note){{left, p->y, width, height}, text};
    p->y += height + 8;
}

static void row_draw(struct pen *p, size_t index)
{
    const struct row *row = &p->d->rows[index];

    switch (row->kind) {
    case ROW_BAND:
        band_begin(p, row, false);
        break;
    case ROW_LOOP:
        loop_begin(p, row);
        break;
    case ROW_LOOP_END:
        loop_end(p);
        p->last_time = row->time;
        break;
    case ROW_OMITTED:
        omitted_draw(p, row);
        break;
    case ROW_NOTE:
        note_draw(p, row);
        break;
    case ROW_SILENT:
        if (row->closes != NOBODY)
            bar_end(p, row->closes, row->thread, p->y, true);
        if (row->opens != NOBODY)
            bar_begin(p, row->opens, row->thread, p->y);
        break;
    case ROW_MESSAGE:
        message_draw(p, row, index);
        break;
    }
}

/* ---- the page around the rows ---- */

static void head_draw(struct pen *p, int actor, double top)
{
    const struct actor *a = &p->d->actors[actor];
    double x = p->c->x[actor], half = p->c->half[actor];

    ADD(p->l, heads) = (struct laid_head){{x - half, top, 2 * half, HEAD_HEIGHT}, actor};
    text_centred(p->l, a->name, HEAD_SIZE, true, x, top + (a->detail[0] ? 12 : HEAD_HEIGHT / 2));
    if (a->detail[0])
        text_centred(p->l, a->detail, DETAIL_SIZE, false, x, top + 25)->ink = INK_SOFT;
}

static void heads_draw(struct pen *p)
{
    for (size_t i = 0; i < p->d->actor_count; i++)
        head_draw(p, (int)i, p->y);
    const char *unit = short_run(p->d) ? "us" : "ms";
    double x = p->c->width - PAGE_MARGIN - 6 - text_width(unit, SOURCE_SIZE, false);
    text_left(p->l, unit, SOURCE_SIZE, false, x, p->y + HEAD_HEIGHT - 8)->ink = INK_SOFT;
    p->y += HEAD_HEIGHT;
}

/* What rows before the page left open: bars, a loop, a band. */
static void page_resume(struct pen *p, const struct page *page)
{
    const struct row *band = NULL, *loop = NULL;

    for (size_t i = 0; i < page->first; i++) {
        const struct row *row = &p->d->rows[i];
        if (row->closes != NOBODY)
            bar_end(p, row->closes, row->thread, 0, false);
        if (row->opens != NOBODY)
            bar_begin(p, row->opens, row->thread, 0);
        if (row->kind == ROW_BAND)
            band = row;
        if (row->kind == ROW_LOOP || row->kind == ROW_LOOP_END || row->kind == ROW_OMITTED)
            loop = row->kind == ROW_LOOP ? row : NULL;
        if (row->kind == ROW_MESSAGE)
            p->last_time = row->time;
    }
    for (size_t i = 0; i < p->open_count; i++)
        p->open[i].top = p->y;
    if (band && page->first < page->end && p->d->rows[page->first].kind != ROW_BAND)
        band_begin(p, band, true);
    if (loop)
        loop_begin(p, loop);
    p->first = page->first == 0;
}

static void page_title(struct pen *p, const struct page *page)
{
    const char *title = p->d->title;

    if (page->count > 1)
        title = pool_format(&p->l->pool, "%s (page %u of %u)", title, page->number, page->count);
    text_centred(p->l, title, TITLE_SIZE, false, p->c->width / 2, p->y + 14);
    p->y += 38;
}

static void page_rows(struct pen *p, const struct page *page)
{
    heads_draw(p);
    double lines_top = p->y;
    p->y += 14;
    p->rail_free = p->y;
    page_resume(p, page);
    for (size_t i = page->first; i < page->end; i++)
        row_draw(p, i);
    loop_end(p);
    if (p->rail_free > p->y)
        p->y = p->rail_free;
    bool more = page->end < p->d->row_count || !p->d->rec->ended_in_order;
    for (size_t i = 0; i < p->open_count; i++) /* still open: it goes on beyond the page, or beyond the recording */
        bar_draw(p, &p->open[i], p->y + (more ? BAND_FOOT : 0));
    band_end(p);
    p->y += 4;
    for (size_t i = 0; i < p->d->actor_count; i++)
        ADD(p->l, lines) = (struct laid_line){p->c->x[i], lines_top, p->y, (int)i};
    heads_draw(p);
    p->y += 18;
}

static void legend_draw(struct pen *p, const struct page *page)
{
    static const struct {
        enum row_style style;
        const char *text;
    } entries[] = {{STYLE_CALL, "call"},
                   {STYLE_REPLY, "returns"},
                   {STYLE_WAKE, "wake"},
                   {STYLE_INFERRED, "inferred: not observable from user space"}};
    bool used[4] = {false};
    double x = PAGE_MARGIN + 8;

    for (size_t i = page->first; i < page->end; i++)
        if (p->d->rows[i].kind == ROW_MESSAGE)
            used[p->d->rows[i].style] = true;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        if (!used[entries[i].style])
            continue;
        struct laid_text label = text_at(entries[i].text, FOOTER_SIZE, false, x + 34, p->y);
        label.ink = style_ink(entries[i].style);
        ADD(p->l, samples) = (struct laid_arrow){x, x + 28, p->y, false, entries[i].style, label};
        x += 34 + label.box.w + 20;
    }
    p->y += 16;
}

static void footer_line(struct pen *p, const char *text, enum ink ink)
{
    unsigned lines;
    const char *wrapped = text_wrapped(&p->l->pool, text, p->c->width - 2 * PAGE_MARGIN - 16, FOOTER_SIZE, &lines);

    while (lines-- > 0) {
        size_t length = strcspn(wrapped, "\n");
        text_left(p->l, pool_format(&p->l->pool, "%.*s", (int)length, wrapped), FOOTER_SIZE, ink == INK_ALERT,
                  PAGE_MARGIN + 8, p->y)
            ->ink = ink;
        wrapped += length + (wrapped[length] == '\n');
        p->y += 12;
    }
}

void layout_make(struct layout *l, const struct diagram *d, const struct columns *c, const struct page *page)
{
    struct pen p = {.l = l, .d = d, .c = c, .y = PAGE_MARGIN, .band_top = -1};
    const char *lines[DIAGRAM_FOOTERS];

    *l = (struct layout){.d = d, .width = c->width};
    page_title(&p, page);
    page_rows(&p, page);
    legend_draw(&p, page);
    unsigned count = diagram_footer(d, &l->pool, lines);
    for (unsigned i = 0; i < count; i++)
        footer_line(&p, lines[i], i == 0 ? INK_SOFT : INK_ALERT);
    free(p.open);
    l->height = p.y + PAGE_MARGIN;
}

void layout_free(struct layout *l)
{
    free(l->bands);
    free(l->heads);
    free(l->lines);
    free(l->bars);
    free(l->loops);
    free(l->notes);
    free(l->badges);
    free(l->pills);
    free(l->texts);
    free(l->arrows);
    free(l->samples);
    pool_free(&l->pool);
}
