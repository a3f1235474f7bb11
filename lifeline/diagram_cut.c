/* Making a diagram smaller without hiding that it was: a window of time, rounds that repeat, the middle left out. */
#include "diagram.h"
#include "memory.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- bars that are open at some row ---- */

struct open_bar {
    int actor;
    uint16_t thread;
};

struct open_bars {
    struct open_bar *bars;
    size_t count;
};

static void bars_follow(struct open_bars *open, const struct row *row)
{
    if (row->closes != NOBODY) {
        size_t i = open->count;
        while (i > 0 && !(open->bars[i - 1].actor == row->closes && open->bars[i - 1].thread == row->thread))
            i--;
        if (i > 0) {
            memmove(&open->bars[i - 1], &open->bars[i], (open->count - i) * sizeof *open->bars);
            open->count--;
        }
    }
    if (row->opens != NOBODY) {
        open->bars = memory_more(open->bars, open->count, sizeof *open->bars);
        open->bars[open->count++] = (struct open_bar){row->opens, row->thread};
    }
}

/* ---- building the new rows ---- */

struct rows {
    struct row *rows;
    size_t count;
};

static struct row *rows_add(struct rows *to, const struct row *row)
{
    to->rows = memory_more(to->rows, to->count, sizeof *to->rows);
    to->rows[to->count] = *row;
    return &to->rows[to->count++];
}

static void rows_silent(struct rows *to, const struct row *like, const struct open_bar *bar, bool opens)
{
    struct row *row = rows_add(to, like);

    row->kind = ROW_SILENT;
    row->from = row->to = bar->actor;
    row->opens = opens ? bar->actor : NOBODY;
    row->closes = opens ? NOBODY : bar->actor;
    row->thread = bar->thread;
    row->step = 0;
}

static void rows_replace(struct diagram *d, struct rows *with)
{
    free(d->rows);
    d->rows = with->rows;
    d->row_count = with->count;
}

/* ---- a window of time ---- */

void diagram_clip(struct diagram *d, uint64_t from, uint64_t to)
{
    struct rows kept = {NULL, 0};
    struct open_bars open = {NULL, 0};
    const struct row *band = NULL;
    size_t i = 0;

    for (; i < d->row_count && d->rows[i].time < from; i++) {
        bars_follow(&open, &d->rows[i]);
        if (d->rows[i].kind == ROW_BAND)
            band = &d->rows[i];
    }
    if (band && i < d->row_count && d->rows[i].kind != ROW_BAND)
        rows_add(&kept, band)->time = from;
    for (size_t bar = 0; bar < open.count && i < d->row_count; bar++)
        rows_silent(&kept, &d->rows[i], &open.bars[bar], true);
    for (; i < d->row_count && d->rows[i].time <= to; i++)
        rows_add(&kept, &d->rows[i]);
    free(open.bars);
    rows_replace(d, &kept);
}

/* ---- rounds that repeat ---- */

enum {
    LONGEST_ROUND = 4096, /* rows */
    ROUND_GUESSES = 8,    /* how many lengths are tried at each row */
    FEWEST_ROUNDS = 3,
    LEAST_SAVED = 12, /* rows: less is not worth the reader's attention */
};

#define HASH_STEP 0x9e3779b97f4a7c15u

static uint64_t hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * HASH_STEP;
    return hash ^ hash >> 29;
}

static bool names_something(const char *text, const char *digit)
{
    return (digit - text >= 3 && memcmp(digit - 3, "fd ", 3) == 0) ||
           (digit - text >= 5 && memcmp(digit - 5, "task ", 5) == 0);
}

/* Equal for texts that differ only in numbers; but a number that names a task or a descriptor counts, unless all tasks
 * share one column. */
static uint64_t text_key(const char *text, bool crowd)
{
    uint64_t hash = 0;

    for (const char *c = text; *c;) {
        if (!isdigit((unsigned char)*c) || (!crowd && names_something(text, c))) {
            do
                hash = hash_mix(hash, (unsigned char)*c++);
            while (isdigit((unsigned char)c[-1]) && isdigit((unsigned char)*c));
            continue;
        }
        hash = hash_mix(hash, '#');
        while (isdigit((unsigned char)*c) || (*c == '.' && isdigit((unsigned char)c[1])))
            c++;
    }
    return hash;
}

static uint64_t row_key(const struct row *row, bool crowd)
{
    uint64_t hash = hash_mix((uint64_t)row->kind << 8 | (uint64_t)row->style,
                             (uint64_t)row->from << 32 | (uint32_t)row->to);

    hash = hash_mix(hash, (uint64_t)(uint32_t)row->opens << 32 | (uint32_t)row->closes);
    return hash_mix(hash, text_key(row->text, crowd));
}

struct fold {
    size_t count;
    uint64_t *prefix; /* [count + 1]: a rolling hash, so that two stretches compare in one step */
    uint64_t *power;  /* [LONGEST_ROUND + 1] */
    size_t *next;     /* [count]: the next row with the same key, or count */
};

static uint64_t fold_stretch(const struct fold *f, size_t from, size_t length)
{
    return f->prefix[from + length] - f->prefix[from] * f->power[length];
}

static int key_compare(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    if (a[0] != b[0])
        return a[0] < b[0] ? -1 : 1;
    return a[1] < b[1] ? -1 : a[1] > b[1];
}

static void fold_link(struct fold *f, const uint64_t *keys)
{
    uint64_t(*sorted)[2] = memory_array(f->count, sizeof *sorted);

    for (size_t i = 0; i < f->count; i++) {
        sorted[i][0] = keys[i];
        sorted[i][1] = i;
    }
    qsort(sorted, f->count, sizeof *sorted, key_compare);
    for (size_t i = 0; i < f->count; i++)
        f->next[sorted[i][1]] = i + 1 < f->count && sorted[i + 1][0] == sorted[i][0] ? sorted[i + 1][1] : f->count;
    free(sorted);
}

static bool has_crowd(const struct diagram *d)
{
    for (size_t i = 0; i < d->actor_count; i++)
        if (d->actors[i].number == ACTOR_ALL)
            return true;
    return false;
}

static void fold_prepare(struct fold *f, const struct diagram *d)
{
    bool crowd = has_crowd(d);
    uint64_t *keys = memory_array(d->row_count, sizeof *keys);

    f->count = d->row_count;
    f->prefix = memory_array(f->count + 1, sizeof *f->prefix);
    f->power = memory_array(LONGEST_ROUND + 1, sizeof *f->power);
    f->next = memory_array(f->count, sizeof *f->next);
    f->power[0] = 1;
    for (size_t i = 0; i < LONGEST_ROUND; i++)
        f->power[i + 1] = f->power[i] * HASH_STEP;
    for (size_t i = 0; i < f->count; i++) {
        keys[i] = row_key(&d->rows[i], crowd);
        f->prefix[i + 1] = f->prefix[i] * HASH_STEP + keys[i];
    }
    fold_link(f, keys);
    free(keys);
}

/* How many rounds of this length begin at the row. */
static size_t fold_rounds(const struct fold *f, size_t at, size_t length)
{
    uint64_t first = fold_stretch(f, at, length);
    size_t rounds = 1;

    while (at + (rounds + 1) * length <= f->count && fold_stretch(f, at + rounds * length, length) == first)
        rounds++;
    return rounds;
}

/* The shortest round at this row that is worth folding; its length, or 0. */
static size_t fold_find(const struct fold *f, size_t at, size_t *rounds)
{
    size_t later = f->next[at];

    for (int guess = 0; guess < ROUND_GUESSES && later < f->count; guess++, later = f->next[later]) {
        size_t length = later - at;
        if (length > LONGEST_ROUND)
            return 0;
        *rounds = fold_rounds(f, at, length);
        if (*rounds >= FEWEST_ROUNDS && (*rounds - 1) * length >= LEAST_SAVED)
            return length;
    }
    return 0;
}

static void fold_emit(struct rows *to, const struct row *round, size_t length, size_t rounds)
{
    struct row mark = *round;

    mark.step = 0;
    mark.opens = mark.closes = NOBODY;
    mark.repeat = rounds;
    mark.text = "";
    mark.kind = ROW_LOOP;
    rows_add(to, &mark);
    for (size_t i = 0; i < length; i++)
        rows_add(to, &round[i]);
    mark.kind = ROW_LOOP_END;
    mark.time = round[length * rounds - 1].time;
    rows_add(to, &mark);
}

static void bands_number(struct diagram *d)
{
    uint64_t number = 0;

    for (size_t i = 0; i < d->row_count; i++)
        if (d->rows[i].kind == ROW_BAND)
            d->rows[i].number = number = number ? number + 1 : d->rows[i].number;
}

void diagram_fold(struct diagram *d)
{
    struct rows folded = {NULL, 0};
    struct fold f;

    fold_prepare(&f, d);
    for (size_t i = 0, rounds = 0; i < d->row_count;) {
        size_t length = fold_find(&f, i, &rounds);
        if (length) {
            fold_emit(&folded, &d->rows[i], length, rounds);
            i += length * rounds;
        } else {
            rows_add(&folded, &d->rows[i++]);
        }
    }
    free(f.prefix);
    free(f.power);
    free(f.next);
    rows_replace(d, &folded);
    bands_number(d);
}

/* ---- the middle left out ---- */

uint64_t diagram_drawn(const struct diagram *d)
{
    uint64_t drawn = 0;

    for (size_t i = 0; i < d->row_count; i++)
        drawn += d->rows[i].kind == ROW_MESSAGE;
    return drawn;
}

/* The row before which this many messages stand. */
static size_t row_after(const struct diagram *d, uint64_t messages)
{
    size_t i = 0;

    for (uint64_t seen = 0; i < d->row_count && seen < messages; i++)
        seen += d->rows[i].kind == ROW_MESSAGE;
    return i;
}

/* A row that stands for those that are left out. What they change about bars and phases is told in silence: bars that
 * end in there end before it, those that begin begin after it. */
static void rows_omit(struct rows *to, const struct diagram *d, const struct row *gap, size_t from, size_t until)
{
    struct open_bars before = {NULL, 0}, after = {NULL, 0};
    const struct row *band = NULL;

    for (size_t i = 0; i < until; i++) {
        if (i < from)
            bars_follow(&before, &d->rows[i]);
        bars_follow(&after, &d->rows[i]);
        if (d->rows[i].kind == ROW_BAND)
            band = i < from ? NULL : &d->rows[i];
    }
    size_t same = 0;
    while (same < before.count && same < after.count && before.bars[same].actor == after.bars[same].actor &&
           before.bars[same].thread == after.bars[same].thread)
        same++;
    for (size_t i = before.count; i > same; i--)
        rows_silent(to, &d->rows[from], &before.bars[i - 1], false);
    rows_add(to, gap);
    for (size_t i = same; i < after.count; i++)
        rows_silent(to, &d->rows[until], &after.bars[i], true);
    if (band && d->rows[until].kind != ROW_BAND)
        rows_add(to, band);
    free(before.bars);
    free(after.bars);
}

/* The number of the first message from this row on. */
static uint64_t message_at(const struct diagram *d, size_t row)
{
    while (row < d->row_count && d->rows[row].kind != ROW_MESSAGE)
        row++;
    return row < d->row_count ? d->rows[row].number : d->messages + 1;
}

void diagram_shorten(struct diagram *d, uint64_t head, uint64_t tail)
{
    char number[GROUPED_SIZE];
    uint64_t drawn = diagram_drawn(d);
    struct rows kept = {NULL, 0};

    if (drawn <= head + tail)
        return;
    size_t from = row_after(d, head), until = row_after(d, drawn - tail);
    for (size_t i = 0; i < from; i++)
        rows_add(&kept, &d->rows[i]);
    struct row gap = d->rows[from];
    gap.kind = ROW_OMITTED;
    gap.repeat = message_at(d, until) - message_at(d, from);
    gap.step = 0;
    gap.opens = gap.closes = NOBODY;
    gap.text = pool_format(&d->pool, "%s more messages are left out here", format_grouped(gap.repeat, number));
    rows_omit(&kept, d, &gap, from, until);
    for (size_t i = until; i < d->row_count; i++)
        rows_add(&kept, &d->rows[i]);
    rows_replace(d, &kept);
}
