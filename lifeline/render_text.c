/* The diagram in 80 columns of text: lanes with arrows on the left, what they say and the line of source beside them.
 * With more actors than lanes fit, one line a message says who and to whom in words. */
#include "describe.h"
#include "memory.h"
#include "render.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 80,
    LABEL_LEAST = 40, /* columns that labels and sources need at least */
    LANE_LEAST = 3,   /* columns from lane to lane */
    LANE_MOST = 8,
};

enum colour { PLAIN, SOFT, BOLD, WAKE, INFERRED, BAND };

static const char *const escapes[] = {[PLAIN] = "\033[0m",     [SOFT] = "\033[0;2m",      [BOLD] = "\033[0;1m",
                                      [WAKE] = "\033[0;1;31m", [INFERRED] = "\033[0;35m", [BAND] = "\033[0;1;34m"};

struct signs { /* how lines look */
    const char *lane, *busy, *self, *rule, *times;
    const char *line[4];            /* by enum row_style */
    const char *right[4], *left[4]; /* heads */
};

static const struct signs utf8_signs = {
    "┆", "┃", "●", "─", "×", {"─", "╌", "━", "·"}, {"▶", "▷", "▶", "▷"}, {"◀", "◁", "◀", "◁"}};
static const struct signs ascii_signs = {
    ".", "|", "@", "-", "x", {"-", "- ", "=", "~"}, {">", ">", ">", ">"}, {"<", "<", "<", "<"}};

struct cell {
    char bytes[5];
    unsigned char colour;
};

struct text {
    const struct diagram *d;
    const struct text_options *options;
    const struct signs *signs;
    FILE *out;
    struct cell line[WIDTH];
    int *busy;         /* [actor_count]: bars that are open */
    int lanes, first;  /* columns from lane to lane (0: no lanes), and of the first lane */
    int number, label; /* width of the numbers; column of the labels */
    uint64_t last_time;
    bool begun;
    struct pool pool;
};

/* ---- one line ---- */

static void line_clear(struct text *t)
{
    for (int i = 0; i < WIDTH; i++)
        t->line[i] = (struct cell){" ", PLAIN};
}

static int letter_bytes(const char *text)
{
    int bytes = 1;

    while (((unsigned char)text[bytes] & 0xc0) == 0x80 && bytes < 4)
        bytes++;
    return bytes;
}

static int columns_of(const char *text)
{
    int columns = 0;

    for (; *text; text += letter_bytes(text))
        columns++;
    return columns;
}

/* Puts a text into the line; what goes beyond it is cut off (callers wrap before). */
static void put(struct text *t, int column, enum colour colour, const char *text)
{
    for (; *text && column < WIDTH; text += letter_bytes(text), column++) {
        if (column < 0)
            continue;
        memset(t->line[column].bytes, 0, sizeof t->line[column].bytes);
        memcpy(t->line[column].bytes, text, (size_t)letter_bytes(text));
        t->line[column].colour = (unsigned char)colour;
    }
}

static void line_print(struct text *t)
{
    int end = WIDTH;
    unsigned char now = PLAIN;

    while (end > 0 && strcmp(t->line[end - 1].bytes, " ") == 0)
        end--;
    for (int i = 0; i < end; i++) {
        if (t->options->colour && t->line[i].colour != now)
            fputs(escapes[now = t->line[i].colour], t->out);
        fputs(t->line[i].bytes, t->out);
    }
    if (now != PLAIN)
        fputs(escapes[PLAIN], t->out);
    fputc('\n', t->out);
}

static int lane_of(const struct text *t, int actor)
{
    return t->first + actor * t->lanes;
}

static void put_lanes(struct text *t)
{
    line_clear(t);
    for (int i = 0; t->lanes && i < (int)t->d->actor_count; i++)
        put(t, lane_of(t, i), t->busy[i] ? PLAIN : SOFT, t->busy[i] ? t->signs->busy : t->signs->lane);
}

/* A text in the label column, over as many lines as it needs; the first of them may be begun already. */
static void print_wrapped(struct text *t, enum colour colour, const char *text, int indent)
{
    int room = WIDTH - t->label - indent;

    while (columns_of(text) > room) {
        const char *end = text, *space = NULL;
        for (int i = 0; i < room; i++, end += letter_bytes(end))
            space = *end == ' ' ? end : space;
        end = *end == ' ' || !space ? end : space;
        put(t, t->label + indent, colour, pool_format(&t->pool, "%.*s", (int)(end - text), text));
        line_print(t);
        put_lanes(t);
        text = end + (*end == ' ');
    }
    put(t, t->label + indent, colour, text);
    line_print(t);
}

/* ---- messages ---- */

static enum colour style_colour(enum row_style style)
{
    return style == STYLE_WAKE ? WAKE : style == STYLE_INFERRED ? INFERRED : PLAIN;
}

static void put_arrow(struct text *t, const struct row *row)
{
    enum colour colour = style_colour(row->style);
    int from = lane_of(t, row->from), to = lane_of(t, row->to);

    if (from == to) {
        put(t, from, colour, t->signs->self);
        return;
    }
    int step = to > from ? 1 : -1;
    const char *line = t->signs->line[row->style];
    bool gaps = line[1] == ' '; /* "- ": dashed in ASCII */
    for (int x = from + step; x != to; x += step)
        put(t, x, colour, gaps ? ((x - from) % 2 ? "-" : " ") : line);
    put(t, to - step, colour, (step > 0 ? t->signs->right : t->signs->left)[row->style]);
}

static const char *words_of(struct text *t, const struct row *row)
{
    const struct actor *from = &t->d->actors[row->from], *to = &t->d->actors[row->to];

    if (t->lanes)
        return row->text;
    if (row->from == row->to)
        return pool_format(&t->pool, "%s: %s", from->name, row->text);
    return pool_format(&t->pool, "%s -> %s: %s", from->name, to->name, row->text);
}

static void print_step(struct text *t, const struct row *row)
{
    static const char *const circled[] = {"", "①", "②", "③", "④", "⑤", "⑥", "⑦", "⑧", "⑨", "⑩", "⑪", "⑫", "⑬"};

    put_lanes(t);
    const char *mark = t->options->utf8 ? circled[row->step] : pool_format(&t->pool, "(%u)", row->step);
    print_wrapped(t, BOLD, pool_format(&t->pool, "%s %s", mark, row->title), 0);
    if (t->options->notes) {
        put_lanes(t);
        print_wrapped(t, SOFT, diagram_step_explained(row->step), 2);
    }
}

static void print_wait(struct text *t, const struct row *row)
{
    uint64_t whole = t->d->last - t->d->first, passed = row->time > t->last_time ? row->time - t->last_time : 0;
    char time[DESCRIBE_SIZE];

    if (t->begun && diagram_long_wait(passed, whole)) {
        put_lanes(t);
        print_wrapped(t, BAND, pool_format(&t->pool, "... %s pass ...", describe_time(passed, time, sizeof time)), 0);
    }
    t->last_time = row->time;
    t->begun = true;
}

static void bars_open(struct text *t, const struct row *row)
{
    if (row->opens != NOBODY)
        t->busy[row->opens]++;
}

static void bars_close(struct text *t, const struct row *row)
{
    if (row->closes != NOBODY && t->busy[row->closes] > 0)
        t->busy[row->closes]--;
}

static void print_message(struct text *t, const struct row *row)
{
    const struct place *place = event_place(t->d->rec, &t->d->rec->events[row->event]);
    const char *source = "", *words = words_of(t, row);

    print_wait(t, row);
    if (row->step)
        print_step(t, row);
    if (place->line && row->style != STYLE_INFERRED)
        source = pool_clean(&t->pool, pool_format(&t->pool, "%s:%" PRIu32, file_base(place->file), place->line));
    put_lanes(t);
    put(t, 0, SOFT, pool_format(&t->pool, "%*" PRIu64, t->number, row->number));
    if (t->lanes)
        put_arrow(t, row);
    bars_open(t, row);
    bars_close(t, row);
    int at = WIDTH - columns_of(source);
    if (t->label + columns_of(words) < at) {
        put(t, at, SOFT, source);
        print_wrapped(t, style_colour(row->style), words, 0);
    } else {
        print_wrapped(t, style_colour(row->style), words, 0);
        if (source[0]) {
            put_lanes(t);
            put(t, at < t->label ? t->label : at, SOFT, source);
            line_print(t);
        }
    }
}

/* ---- other rows ---- */

static void print_rule(struct text *t, const char *title)
{
    line_clear(t);
    for (int i = 0; i < WIDTH; i++)
        put(t, i, BAND, t->signs->rule);
    put(t, 2, BAND, pool_format(&t->pool, " %s ", title));
    line_print(t);
}

static void print_row(struct text *t, const struct row *row)
{
    char number[GROUPED_SIZE];

    switch (row->kind) {
    case ROW_MESSAGE:
        print_message(t, row);
        break;
    case ROW_BAND:
        print_rule(t, pool_format(&t->pool, "%" PRIu64 " %s", row->number, row->text));
        break;
    case ROW_NOTE:
        put_lanes(t);
        if (t->lanes)
            put(t, lane_of(t, row->from), BOLD, "!");
        print_wrapped(t, BOLD, pool_format(&t->pool, "\"%s\"", row->text), 0);
        break;
    case ROW_LOOP:
        put_lanes(t);
        print_wrapped(t, WAKE, pool_format(&t->pool, "[ %s %s:", t->signs->times, format_grouped(row->repeat, number)),
                      0);
        break;
    case ROW_LOOP_END:
        put_lanes(t);
        print_wrapped(t, WAKE, pool_format(&t->pool, "] %s %s", t->signs->times, format_grouped(row->repeat, number)),
                      0);
        t->last_time = row->time;
        break;
    case ROW_OMITTED:
        line_print((line_clear(t), t));
        put_lanes(t);
        print_wrapped(t, WAKE, row->text, 0);
        line_print((line_clear(t), t));
        break;
    case ROW_SILENT:
        bars_open(t, row);
        bars_close(t, row);
        break;
    }
}

/* ---- head and foot ---- */

/* A name in at most so many columns: its letters are cut, and the number at its end is kept. */
static const char *name_cut(struct text *t, const char *name, int room)
{
    int length = (int)strlen(name), digits = 0; /* short names are ASCII */

    if (length <= room)
        return name;
    while (digits < room && name[length - digits - 1] >= '0' && name[length - digits - 1] <= '9')
        digits++;
    return pool_format(&t->pool, "%.*s%s", room - digits, name, name + length - digits);
}

/* Two lines, taking turns, so that neighbours have room for their names. */
static void print_heads(struct text *t)
{
    for (int turn = 1; turn >= 0 && t->lanes; turn--) {
        line_clear(t);
        for (int i = turn; i < (int)t->d->actor_count; i += 2) {
            const char *name = name_cut(t, t->d->actors[i].short_name, 2 * t->lanes - 1);
            put(t, lane_of(t, i) - columns_of(name) / 2, BOLD, name);
        }
        if (turn == 0) /* the lanes of the upper names reach down to it */
            for (int i = 1; i < (int)t->d->actor_count; i += 2)
                if (strcmp(t->line[lane_of(t, i)].bytes, " ") == 0)
                    put(t, lane_of(t, i), SOFT, t->signs->lane);
        line_print(t);
    }
}

static void print_actors(struct text *t)
{
    for (size_t i = 0; i < t->d->actor_count; i++) {
        const struct actor *a = &t->d->actors[i];
        bool worth = a->kind == ACTOR_TASK || a->kind == ACTOR_FUTURE || a->kind == ACTOR_HELPER;
        if (worth && a->detail[0] && t->lanes) {
            line_clear(t);
            put(t, 0, PLAIN, pool_format(&t->pool, "%s: %s", a->short_name, a->detail));
            line_print(t);
        }
    }
}

static void print_legend(struct text *t)
{
    const struct signs *s = t->signs;
    static const char *const names[] = {"call", "returns", "wake", "inferred: not observable from user space"};
    bool used[4] = {false};
    int column = 0;

    for (size_t i = 0; i < t->d->row_count; i++)
        if (t->d->rows[i].kind == ROW_MESSAGE)
            used[t->d->rows[i].style] = true;
    line_clear(t);
    for (int style = 0; style < 4 && t->lanes; style++) {
        if (!used[style])
            continue;
        bool gaps = s->line[style][1] == ' ';
        const char *sample = gaps ? pool_format(&t->pool, "- -%s", s->right[style])
                                  : pool_format(&t->pool, "%s%s%s", s->line[style], s->line[style], s->right[style]);
        const char *entry = pool_format(&t->pool, "%s %s   ", sample, names[style]);
        put(t, column, style_colour((enum row_style)style), entry);
        column += columns_of(entry);
    }
    line_print(t);
}

static void print_footer(struct text *t)
{
    const char *lines[DIAGRAM_FOOTERS];
    unsigned count = diagram_footer(t->d, &t->pool, lines);

    t->label = 0;
    t->lanes = 0;
    for (unsigned i = 0; i < count; i++) {
        line_clear(t);
        print_wrapped(t, i ? WAKE : SOFT, lines[i], 0);
    }
}

static int digits(uint64_t number)
{
    int count = 1;

    while (number /= 10)
        count++;
    return count;
}

static void choose_lanes(struct text *t)
{
    int actors = (int)t->d->actor_count;

    t->number = digits(t->d->messages);
    t->number = t->number < 3 ? 3 : t->number;
    t->first = t->number + 3;
    t->label = t->number + 2;
    if (actors == 0)
        return;
    int room = WIDTH - LABEL_LEAST - t->first - 3;
    t->lanes = actors > 1 ? room / (actors - 1) : LANE_MOST;
    t->lanes = t->lanes > LANE_MOST ? LANE_MOST : t->lanes;
    if (t->lanes < LANE_LEAST)
        t->lanes = 0;
    else
        t->label = lane_of(t, actors - 1) + 3;
}

int render_text(const struct diagram *d, const struct text_options *options, FILE *out)
{
    struct text t = {.d = d, .options = options, .signs = options->utf8 ? &utf8_signs : &ascii_signs, .out = out};

    t.busy = memory_array(d->actor_count, sizeof *t.busy);
    line_clear(&t);
    print_wrapped(&t, BOLD, d->title, 0);
    choose_lanes(&t);
    print_actors(&t);
    fputc('\n', out);
    print_heads(&t);
    for (size_t i = 0; i < d->row_count; i++)
        print_row(&t, &d->rows[i]);
    print_heads(&t);
    print_legend(&t);
    print_footer(&t);
    free(t.busy);
    pool_free(&t.pool);
    return fflush(out) || ferror(out) ? -EIO : 0;
}
