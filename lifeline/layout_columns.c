/* Where the columns stand: as near as the labels between them allow. And where one page ends and the next begins. */
#include "layout_measures.h"
#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

double bars_reach(int actor, const struct columns *c)
{
    int slots = c->slots[actor] < MOST_SLOTS ? c->slots[actor] : MOST_SLOTS;

    return slots ? BAR_HALF + (slots - 1) * BAR_SHIFT : 1;
}

const char *source_label(struct pool *pool, const struct place *place)
{
    return label_shown(pool, pool_clean(pool, pool_format(pool, "%s:%" PRIu32, file_base(place->file), place->line)));
}

const char *loop_label(struct pool *pool, const struct row *row)
{
    char number[GROUPED_SIZE];

    return pool_format(pool, "\xc3\x97 %s", format_grouped(row->repeat, number));
}

/* How many bytes of the text fit into a line: up to a space, or else to the last letter that fits. */
static size_t line_length(const char *text, double width, double size)
{
    size_t fits = 0, at_space = 0;
    double used = 0;

    while (text[fits]) {
        size_t bytes = 1;
        while (((unsigned char)text[fits + bytes] & 0xc0) == 0x80)
            bytes++;
        char letter[8] = "";
        memcpy(letter, text + fits, bytes < sizeof letter ? bytes : sizeof letter - 1);
        used += text_width(letter, size, false);
        if (used > width && fits > 0)
            return at_space ? at_space : fits;
        fits += bytes;
        if (text[fits] == ' ')
            at_space = fits;
    }
    return fits;
}

const char *text_wrapped(struct pool *pool, const char *text, double width, double size, unsigned *lines)
{
    const char *wrapped = "";

    *lines = 0;
    do {
        size_t length = line_length(text, width, size);
        wrapped = pool_format(pool, "%s%s%.*s", wrapped, *lines ? "\n" : "", (int)length, text);
        text += length;
        text += strspn(text, " ");
        ++*lines;
    } while (*text);
    return wrapped;
}

double note_width(const char *wrapped)
{
    double widest = 0;
    struct pool scratch = {NULL};

    while (*wrapped) {
        size_t length = strcspn(wrapped, "\n");
        double width = text_width(pool_format(&scratch, "%.*s", (int)length, wrapped), LAYOUT_NOTE_SIZE, false);
        widest = width > widest ? width : widest;
        wrapped += length + (wrapped[length] == '\n');
    }
    pool_free(&scratch);
    return widest + 16;
}

struct measure { /* while the columns are worked out */
    struct columns *c;
    const struct diagram *d;
    double *gap; /* [actor_count]: from each lifeline to the next; of the last: to the right edge */
    int *open;   /* [actor_count]: bars that are open */
    double source, title, loop;
    struct pool scratch;
};

static void at_least(double *value, double minimum)
{
    if (*value < minimum)
        *value = minimum;
}

static void measure_bars(struct measure *m, const struct row *row)
{
    if (row->closes != NOBODY && m->open[row->closes] > 0)
        m->open[row->closes]--;
    if (row->opens != NOBODY && ++m->open[row->opens] > m->c->slots[row->opens])
        m->c->slots[row->opens] = m->open[row->opens];
}

static void measure_heads(struct measure *m)
{
    for (size_t i = 0; i < m->d->actor_count; i++) {
        const struct actor *a = &m->d->actors[i];
        double width = text_width(a->name, HEAD_SIZE, true);
        at_least(&width, text_width(a->detail, DETAIL_SIZE, false));
        m->c->half[i] = width / 2 + 9;
        at_least(&m->c->half[i], 36);
    }
    for (size_t i = 0; i + 1 < m->d->actor_count; i++)
        m->gap[i] = m->c->half[i] + m->c->half[i + 1] + 12;
    if (m->d->actor_count)
        m->gap[m->d->actor_count - 1] = m->c->half[m->d->actor_count - 1] + 8;
}

static double label_needs(const struct columns *c, int low, double width)
{
    return bars_reach(low, c) + LABEL_PAD + width + LABEL_PAD + BAR_HALF;
}

static void measure_near(struct measure *m, const struct row *row)
{
    unsigned lines;

    if (row->kind == ROW_NOTE) {
        const char *text = text_wrapped(&m->scratch, row->text, NOTE_WIDTH - 12, LAYOUT_NOTE_SIZE, &lines);
        at_least(&m->gap[row->from], bars_reach(row->from, m->c) + 6 + note_width(text) + 6 + BAR_HALF);
    }
    if (row->kind == ROW_LOOP)
        at_least(&m->loop, text_width(loop_label(&m->scratch, row), LOOP_SIZE, true) + 14);
    if (row->kind != ROW_MESSAGE)
        return;
    const char *label = label_shown(&m->scratch, row->text);
    double width = text_width(label, LABEL_SIZE, false);
    int low = row->from < row->to ? row->from : row->to;
    if (row->from == row->to)
        at_least(&m->gap[low], bars_reach(low, m->c) + LAYOUT_SELF_WIDTH + 5 + width + LABEL_PAD + BAR_HALF);
    else if (abs(row->from - row->to) == 1)
        at_least(&m->gap[low], label_needs(m->c, low, width));
    const struct place *place = event_place(m->d->rec, &m->d->rec->events[row->event]);
    if (place->line)
        at_least(&m->source, text_width(source_label(&m->scratch, place), SOURCE_SIZE, false));
    if (row->step) {
        m->c->has_steps = true;
        at_least(&m->title, text_width(row->title, STEP_SIZE, true));
    }
}

/* An arrow across several columns has a choice of gaps; only if none fits must one be widened. */
static void measure_far(struct measure *m, const struct row *row)
{
    int step = row->to > row->from ? 1 : -1;

    if (row->kind != ROW_MESSAGE || abs(row->from - row->to) < 2)
        return;
    double width = text_width(label_shown(&m->scratch, row->text), LABEL_SIZE, false);
    for (int at = row->from; at != row->to; at += step) {
        int low = step > 0 ? at : at - 1;
        if (m->gap[low] >= label_needs(m->c, low, width))
            return;
    }
    int low = step > 0 ? row->from : row->from - 1;
    m->gap[low] = label_needs(m->c, low, width);
}

static void columns_place(struct measure *m, bool notes)
{
    struct columns *c = m->c;
    double rail = !c->has_steps ? 0 : 20 + (notes && m->title < RAIL_NOTE_WIDTH ? RAIL_NOTE_WIDTH : m->title) + 10;

    c->rail = PAGE_MARGIN + 8;
    c->number = c->rail + rail;
    c->number_width = text_width(pool_format(&m->scratch, "%" PRIu64, m->d->messages), LAYOUT_NUMBER_SIZE, false) + 10;
    at_least(&c->number_width, NUMBER_WIDTH);
    c->source = c->number + c->number_width + 6;
    c->left = c->source + m->source + 10;
    double x = c->left + (m->d->actor_count ? c->half[0] : 0);
    for (size_t i = 0; i < m->d->actor_count; i++) {
        c->x[i] = x;
        x += m->gap[i];
    }
    c->right = x;
    c->width = x + m->loop + TIME_WIDTH + PAGE_MARGIN;
    at_least(&c->width, text_width(m->d->title, TITLE_SIZE, false) + 140);
    at_least(&c->width, 420);
}

void columns_make(struct columns *c, const struct diagram *d, bool notes)
{
    struct measure m = {.c = c, .d = d};

    *c = (struct columns){.notes = notes};
    c->x = memory_array(d->actor_count, sizeof *c->x);
    c->half = memory_array(d->actor_count, sizeof *c->half);
    c->slots = memory_array(d->actor_count, sizeof *c->slots);
    m.gap = memory_array(d->actor_count, sizeof *m.gap);
    m.open = memory_array(d->actor_count, sizeof *m.open);
    for (size_t i = 0; i < d->row_count; i++)
        measure_bars(&m, &d->rows[i]);
    measure_heads(&m);
    for (size_t i = 0; i < d->row_count; i++)
        measure_near(&m, &d->rows[i]);
    for (size_t i = 0; i < d->row_count; i++)
        measure_far(&m, &d->rows[i]);
    columns_place(&m, notes);
    free(m.gap);
    free(m.open);
    pool_free(&m.scratch);
}

void columns_free(struct columns *c)
{
    free(c->x);
    free(c->half);
    free(c->slots);
}

/* A page never begins with the end of something. */
static bool may_begin_page(const struct row *row)
{
    return row->kind != ROW_LOOP_END && row->kind != ROW_SILENT;
}

struct page *pages_make(const struct diagram *d, uint64_t messages, unsigned *count)
{
    struct page *pages = memory_more(NULL, 0, sizeof *pages);
    uint64_t on_page = 0;

    pages[0] = (struct page){0, d->row_count, 1, 1};
    *count = 1;
    for (size_t i = 0; i < d->row_count; i++) {
        if (on_page >= messages && may_begin_page(&d->rows[i])) {
            pages[*count - 1].end = i;
            pages = memory_more(pages, *count, sizeof *pages);
            pages[*count] = (struct page){i, d->row_count, *count + 1, 0};
            ++*count;
            on_page = 0;
        }
        on_page += d->rows[i].kind == ROW_MESSAGE;
    }
    for (unsigned i = 0; i < *count; i++)
        pages[i].count = *count;
    return pages;
}
