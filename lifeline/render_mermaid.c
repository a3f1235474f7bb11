/* The diagram as Mermaid's sequenceDiagram: what a README on the web can hold. */
#include "describe.h"
#include "layout_measures.h"
#include "memory.h"
#include "render.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct mermaid {
    const struct diagram *d;
    FILE *out;
    bool notes;
    int *active;     /* [actor_count]: bars that are open; Mermaid fails when more are closed than were opened */
    bool band, loop; /* open */
    uint64_t next;   /* the number that Mermaid would give to the next message */
    uint64_t last_time;
    bool begun;
    struct pool pool;
};

static const char *const band_tints[] = {[TINT_SETUP] = "rgb(239, 246, 255)",
                                         [TINT_RUN] = "rgb(254, 252, 232)",
                                         [TINT_WAIT] = "rgb(255, 247, 237)",
                                         [TINT_WAKE] = "rgb(240, 253, 244)"};

/* Everything that could mean something to Mermaid becomes one of its character codes: "#59;". */
static const char *escaped(struct mermaid *m, const char *text)
{
    const char *safe = "";

    while (*text) {
        size_t length = 0;
        while (text[length] && (isalnum((unsigned char)text[length]) || (unsigned char)text[length] >= 0x80 ||
                                strchr(" _().,=*/-", text[length])))
            length++;
        safe = pool_format(&m->pool, "%s%.*s", safe, (int)length, text);
        text += length;
        if (*text)
            safe = pool_format(&m->pool, "%s#%d;", safe, (unsigned char)*text++);
    }
    return safe;
}

static const char *label(struct mermaid *m, const char *text)
{
    return escaped(m, label_shown(&m->pool, text));
}

static void over_all(struct mermaid *m, const char *text)
{
    size_t last = m->d->actor_count - 1;

    fprintf(m->out, "    Note over a0%s: %s\n", last ? pool_format(&m->pool, ",a%zu", last) : "", text);
}

static void participants(struct mermaid *m)
{
    for (size_t i = 0; i < m->d->actor_count; i++) {
        const struct actor *a = &m->d->actors[i];
        fprintf(m->out, "    participant a%zu as %s", i, label(m, a->name));
        if (a->detail[0])
            fprintf(m->out, "<br/>%s", label(m, a->detail));
        fputc('\n', m->out);
    }
}

static void bars(struct mermaid *m, const struct row *row)
{
    if (row->opens != NOBODY) {
        fprintf(m->out, "    activate a%d\n", row->opens);
        m->active[row->opens]++;
    }
    if (row->closes != NOBODY && m->active[row->closes] > 0) {
        fprintf(m->out, "    deactivate a%d\n", row->closes);
        m->active[row->closes]--;
    }
}

/* In short lines: Mermaid lets a long one stick out of its note. */
static void explanation(struct mermaid *m, unsigned step)
{
    unsigned lines;
    const char *text = text_wrapped(&m->pool, diagram_step_explained(step), 180, LAYOUT_NOTE_SIZE, &lines);

    while (lines-- > 0) {
        size_t length = strcspn(text, "\n");
        fprintf(m->out, "<br/>%s", escaped(m, pool_format(&m->pool, "%.*s", (int)length, text)));
        text += length + (text[length] == '\n');
    }
}

static void step(struct mermaid *m, const struct row *row)
{
    fprintf(m->out, "    Note left of a0: %u %s", row->step, label(m, row->title));
    if (m->notes)
        explanation(m, row->step);
    fputc('\n', m->out);
}

static void wait(struct mermaid *m, const struct row *row)
{
    uint64_t whole = m->d->last - m->d->first, passed = row->time > m->last_time ? row->time - m->last_time : 0;
    char time[DESCRIBE_SIZE];

    if (m->begun && diagram_long_wait(passed, whole))
        over_all(m, escaped(m, pool_format(&m->pool, "%s pass", describe_time(passed, time, sizeof time))));
    m->last_time = row->time;
    m->begun = true;
}

static void message(struct mermaid *m, const struct row *row)
{
    static const char *const arrows[] = {"->>", "-->>", "-)", "--)"};

    wait(m, row);
    if (row->step)
        step(m, row);
    if (row->number != m->next) /* something was folded or left out */
        fprintf(m->out, "    autonumber %" PRIu64 "\n", row->number);
    m->next = row->number + 1;
    fprintf(m->out, "    a%d%sa%d: %s\n", row->from, arrows[row->style], row->to, label(m, row->text));
    bars(m, row);
}

/* Mermaid's blocks must nest, so a phase that begins inside a loop is only a note. */
static void band(struct mermaid *m, const struct row *row)
{
    if (!m->loop) {
        fprintf(m->out, "%s    rect %s\n", m->band ? "    end\n" : "", band_tints[row->tint]);
        m->band = true;
    }
    over_all(m, label(m, pool_format(&m->pool, "%" PRIu64 " %s", row->number, row->text)));
}

static void loop_end(struct mermaid *m)
{
    if (m->loop)
        fputs("    end\n", m->out);
    m->loop = false;
}

static void row_render(struct mermaid *m, const struct row *row)
{
    char number[GROUPED_SIZE];

    switch (row->kind) {
    case ROW_MESSAGE:
        message(m, row);
        break;
    case ROW_BAND:
        band(m, row);
        break;
    case ROW_NOTE:
        fprintf(m->out, "    Note over a%d: %s\n", row->from, label(m, row->text));
        break;
    case ROW_LOOP:
        loop_end(m);
        fprintf(m->out, "    loop %s times\n", format_grouped(row->repeat, number));
        m->loop = true;
        break;
    case ROW_LOOP_END:
        loop_end(m);
        m->last_time = row->time;
        break;
    case ROW_OMITTED:
        loop_end(m);
        over_all(m, escaped(m, row->text));
        break;
    case ROW_SILENT:
        bars(m, row);
        break;
    }
}

static void footer(struct mermaid *m)
{
    const char *lines[DIAGRAM_FOOTERS];
    unsigned count = diagram_footer(m->d, &m->pool, lines);

    for (unsigned i = 0; i < count; i++)
        over_all(m, escaped(m, lines[i]));
    for (size_t i = 0; i < m->d->row_count; i++) {
        if (m->d->rows[i].kind == ROW_MESSAGE && m->d->rows[i].style == STYLE_INFERRED) {
            over_all(m, "dotted arrows with open heads are inferred - not observable from user space");
            break;
        }
    }
}

int render_mermaid(const struct diagram *d, bool notes, FILE *out)
{
    struct mermaid m = {.d = d, .out = out, .notes = notes, .next = 1};

    m.active = memory_array(d->actor_count, sizeof *m.active);
    fputs("sequenceDiagram\n    autonumber\n", out);
    fprintf(out, "    title: %s\n", label(&m, d->title));
    participants(&m);
    if (d->actor_count == 0)
        fputs("    participant a0 as Nothing was recorded\n", out);
    for (size_t i = 0; i < d->row_count; i++)
        row_render(&m, &d->rows[i]);
    loop_end(&m);
    if (m.band)
        fputs("    end\n", out);
    for (size_t i = 0; i < d->actor_count; i++)
        while (m.active[i]-- > 0)
            fprintf(out, "    deactivate a%zu\n", i);
    if (d->actor_count)
        footer(&m);
    free(m.active);
    pool_free(&m.pool);
    return fflush(out) || ferror(out) ? -EIO : 0;
}
