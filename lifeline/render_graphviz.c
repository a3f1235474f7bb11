/* One page through Graphviz's library. All positions are ours (layout "nop2"); Graphviz only draws.
 *
 * What is created first is painted first. Everything that is not an arrow is a node; lifelines and arrows are edges of
 * an invisible node from itself to itself, which keeps the picture's order that of the recording. */
#include "render.h"

#include "memory.h"

#include <errno.h>
#include <graphviz/gvc.h>
#include <string.h>

enum attribute { /* of nodes and edges; looked up once, since looking up by name costs more than drawing */
                 POS,
                 WIDTH,
                 HEIGHT,
                 ID,
                 SHAPE,
                 STYLE,
                 COLOR,
                 FILLCOLOR,
                 LABEL,
                 FONTSIZE,
                 FONTCOLOR,
                 TOOLTIP,
                 LABELTOOLTIP,
                 URL,
                 DIR,
                 PENWIDTH,
                 ARROWHEAD,
                 LP,
                 CLASS,
                 ATTRIBUTES
};

struct canvas {
    Agraph_t *g;
    Agsym_t *node_symbols[ATTRIBUTES], *edge_symbols[ATTRIBUTES];
    const struct layout *l;
    const char *prefix;
    struct pool pool;
    Agnode_t *anchor;
    unsigned anchors;
    bool crowded; /* so many arrows that what is only nice would double a big file */
};

enum { CROWDED = 300 }; /* arrows on a page */

/* ---- colours ---- */

struct colours {
    const char *line, *fill;
};

static const struct colours actor_colours[ACTOR_KINDS] = {
    [ACTOR_USER] = {"#475569", "#f1f5f9"},     [ACTOR_FUTURE] = {"#2563eb", "#dbeafe"},
    [ACTOR_TASK] = {"#2563eb", "#dbeafe"},     [ACTOR_QUEUE] = {"#7c3aed", "#ede9fe"},
    [ACTOR_EXECUTOR] = {"#16a34a", "#dcfce7"}, [ACTOR_REACTOR] = {"#ea580c", "#ffedd5"},
    [ACTOR_HELPER] = {"#0d9488", "#ccfbf1"},   [ACTOR_KERNEL] = {"#4b5563", "#e5e7eb"},
    [ACTOR_PEER] = {"#be185d", "#fce7f3"},
};

static const struct colours band_colours[] = {[TINT_SETUP] = {"#bfdbfe", "#eff6ff"},
                                              [TINT_RUN] = {"#fde68a", "#fefce8"},
                                              [TINT_WAIT] = {"#fed7aa", "#fff7ed"},
                                              [TINT_WAKE] = {"#bbf7d0", "#f0fdf4"}};

static const char *const ink_colours[] = {
    [INK_TEXT] = "#111827",     [INK_SOFT] = "#64748b", [INK_REPLY] = "#475569", [INK_WAKE] = "#b91c1c",
    [INK_INFERRED] = "#be185d", [INK_BAND] = "#334155", [INK_ALERT] = "#b91c1c", [INK_BADGE] = "#ffffff"};

struct stroke {
    const char *colour, *style, *head;
    const char *width;
};

static const struct stroke strokes[] = {
    [STYLE_CALL] = {"#1f2937", "solid", "normal", "1.1"},
    [STYLE_REPLY] = {"#475569", "dashed", "normal", "1.0"},
    [STYLE_WAKE] = {"#b91c1c", "solid", "normal", "2.2"},
    [STYLE_INFERRED] = {"#be185d", "dotted", "vee", "1.5"},
};

/* ---- objects ---- */

static void set(struct canvas *c, void *object, enum attribute a, const char *value)
{
    agxset(object, (AGTYPE(object) == AGNODE ? c->node_symbols : c->edge_symbols)[a], (char *)value);
}

/* Graphviz reads backslashes and entities in texts. */
static const char *escaped(struct canvas *c, const char *text)
{
    const char *safe = "";

    for (size_t length; *text; text += length) {
        length = strcspn(text, "&\\\n");
        safe = pool_format(&c->pool, "%s%.*s", safe, (int)length, text);
        if (!text[length])
            break;
        safe = pool_format(&c->pool, "%s%s", safe,
                           text[length] == '&'    ? "&amp;"
                           : text[length] == '\n' ? "\\n"
                                                  : "\\\\");
        length++;
    }
    return safe;
}

static void set_text(struct canvas *c, void *object, enum attribute a, const char *value)
{
    set(c, object, a, escaped(c, value));
}

/* Bold is a matter of Graphviz's HTML-like labels. */
static void set_bold(struct canvas *c, void *object, const char *text)
{
    const char *safe = "";

    for (; *text; text++) {
        const char *entity = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : NULL;
        safe = entity ? pool_format(&c->pool, "%s%s", safe, entity) : pool_format(&c->pool, "%s%c", safe, *text);
    }
    char *html = agstrdup_html(c->g, (char *)pool_format(&c->pool, "<B>%s</B>", safe));
    set(c, object, LABEL, html);
    agstrfree(c->g, html);
}

static double up(const struct canvas *c, double y)
{
    return c->l->height - y;
}

static Agnode_t *node(struct canvas *c, const char *name, unsigned long number, const struct box *box)
{
    Agnode_t *n = agnode(c->g, (char *)pool_format(&c->pool, "%s_%lu", name, number), 1);

    set(c, n, POS, pool_format(&c->pool, "%.2f,%.2f", box->x + box->w / 2, up(c, box->y + box->h / 2)));
    set(c, n, WIDTH, pool_format(&c->pool, "%.4f", box->w / 72));
    set(c, n, HEIGHT, pool_format(&c->pool, "%.4f", box->h / 72));
    set(c, n, ID, pool_format(&c->pool, "%s_%lu", name, number));
    return n;
}

static Agnode_t *shape(struct canvas *c, const char *name, unsigned long number, const struct box *box,
                       const char *form, const char *style, struct colours colours)
{
    Agnode_t *n = node(c, name, number, box);

    set(c, n, SHAPE, form);
    set(c, n, STYLE, style);
    set(c, n, COLOR, colours.line);
    set(c, n, FILLCOLOR, colours.fill);
    return n;
}

/* Edges are painted with the node that they start from: all that are made in one go share an anchor. It lies in the
 * middle, where it does not make the picture larger. */
static void anchor_here(struct canvas *c)
{
    struct box point = {c->l->width / 2, c->l->height / 2, 0, 0};

    c->anchor = node(c, "anchor", ++c->anchors, &point);
    set(c, c->anchor, STYLE, "invis");
}

static Agedge_t *edge(struct canvas *c, const char *pos)
{
    Agedge_t *e = agedge(c->g, c->anchor, c->anchor, NULL, 1);
    set(c, e, POS, pos);
    return e;
}

static Agedge_t *plain_line(struct canvas *c, double x1, double y1, double x2, double y2)
{
    const char *pos = pool_format(&c->pool, "%.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f", x1, up(c, y1), x1, up(c, y1), x2,
                                  up(c, y2), x2, up(c, y2));
    Agedge_t *e = edge(c, pos);

    set(c, e, DIR, "none");
    return e;
}

static void link_to(struct canvas *c, void *object, size_t index, bool with_label)
{
    const struct diagram *d = c->l->d;
    const struct row *row = &d->rows[index];
    const struct place *place = event_place(d->rec, &d->rec->events[row->event]);
    const char *tooltip = row_tooltip(d, row, &c->pool);

    set_text(c, object, TOOLTIP, tooltip);
    if (with_label)
        set_text(c, object, LABELTOOLTIP, tooltip);
    if (place->line)
        set_text(c, object, URL, place_link(place, c->prefix, &c->pool));
}

/* ---- what a page consists of, in the order of painting ---- */

static void draw_bands(struct canvas *c)
{
    for (size_t i = 0; i < c->l->bands_count; i++) {
        const struct laid_band *band = &c->l->bands[i];
        set(c, shape(c, "band", i + 1, &band->box, "box", "filled,rounded", band_colours[band->colour]), TOOLTIP, " ");
    }
}

static void draw_heads_and_lines(struct canvas *c)
{
    const struct diagram *d = c->l->d;

    anchor_here(c);
    for (size_t i = 0; i < c->l->lines_count; i++) {
        const struct laid_line *line = &c->l->lines[i];
        Agedge_t *e = plain_line(c, line->x, line->top, line->x, line->bottom);
        set(c, e, STYLE, "dashed");
        set(c, e, COLOR, actor_colours[d->actors[line->actor].kind].line);
        set(c, e, PENWIDTH, "0.8");
    }
    for (size_t i = 0; i < c->l->heads_count; i++) {
        const struct laid_head *head = &c->l->heads[i];
        const struct actor *actor = &d->actors[head->actor];
        Agnode_t *n = shape(c, "head", i + 1, &head->box, "box",
                            actor->kind == ACTOR_PEER ? "filled,rounded,dashed" : "filled,rounded",
                            actor_colours[actor->kind]);
        set_text(c, n, TOOLTIP, pool_format(&c->pool, "%s %s", actor->name, actor->detail));
    }
}

static void draw_bars(struct canvas *c)
{
    for (size_t i = 0; i < c->l->bars_count; i++) {
        const struct laid_bar *bar = &c->l->bars[i];
        Agnode_t *n = shape(c, "bar", i + 1, &bar->box, "box", "filled",
                            actor_colours[c->l->d->actors[bar->actor].kind]);
        set(c, n, TOOLTIP, " ");
    }
}

static void draw_loops(struct canvas *c)
{
    anchor_here(c);
    for (size_t i = 0; i < c->l->loops_count; i++) {
        const struct laid_loop *loop = &c->l->loops[i];
        const double ends[] = {loop->top, loop->bottom};
        Agedge_t *e = plain_line(c, loop->x, loop->top, loop->x, loop->bottom);
        set(c, e, COLOR, ink_colours[INK_ALERT]);
        for (int end = 0; end < 2; end++)
            set(c, plain_line(c, loop->x - 5, ends[end], loop->x, ends[end]), COLOR, ink_colours[INK_ALERT]);
    }
}

static void draw_notes(struct canvas *c)
{
    for (size_t i = 0; i < c->l->notes_count; i++) {
        const struct laid_note *note = &c->l->notes[i];
        Agnode_t *n = shape(c, "note", i + 1, &note->box, "note", "filled", (struct colours){"#ca8a04", "#fef9c3"});
        set_text(c, n, LABEL, note->text);
        set(c, n, FONTSIZE, pool_format(&c->pool, "%.1f", LAYOUT_NOTE_SIZE));
        set(c, n, FONTCOLOR, ink_colours[INK_TEXT]);
        set(c, n, TOOLTIP, " ");
    }
}

static void draw_marks(struct canvas *c)
{
    for (size_t i = 0; i < c->l->badges_count; i++) {
        const struct laid_badge *badge = &c->l->badges[i];
        Agnode_t *n = shape(c, "step", i + 1, &badge->box, "circle", "filled", (struct colours){"#1e3a8a", "#1e3a8a"});
        set_text(c, n, TOOLTIP, diagram_step_explained(badge->step));
    }
    for (size_t i = 0; i < c->l->pills_count; i++) {
        const struct laid_pill *pill = &c->l->pills[i];
        Agnode_t *n = node(c, "number", i + 1, &pill->box);
        if (!c->crowded) {
            set(c, n, SHAPE, "box");
            set(c, n, STYLE, "filled,rounded");
            set(c, n, COLOR, "#cbd5e1");
            set(c, n, FILLCOLOR, "#f8fafc");
            link_to(c, n, pill->row, false);
        }
        set(c, n, LABEL, pill->text);
        set(c, n, FONTSIZE, pool_format(&c->pool, "%.1f", LAYOUT_NUMBER_SIZE));
    }
}

static void draw_texts(struct canvas *c)
{
    for (size_t i = 0; i < c->l->texts_count; i++) {
        const struct laid_text *t = &c->l->texts[i];
        struct box room = {t->box.x - 3, t->box.y - t->size * 0.2, t->box.w + 6, t->box.h + t->size * 0.4};
        Agnode_t *n = node(c, "text", i + 1, &room); /* a little larger, or Graphviz warns */
        if (t->bold)
            set_bold(c, n, t->text);
        else
            set_text(c, n, LABEL, t->text);
        set(c, n, FONTSIZE, pool_format(&c->pool, "%.1f", t->size));
        set(c, n, FONTCOLOR, ink_colours[t->ink]);
        if (t->row != NO_ROW)
            link_to(c, n, t->row, false);
        else
            set(c, n, TOOLTIP, " ");
    }
}

#define HEAD_LENGTH 7.0 /* of an arrow: 10 x arrowsize */

static const char *straight_path(struct canvas *c, const struct laid_arrow *a)
{
    double end = a->to + (a->from < a->to ? -HEAD_LENGTH : HEAD_LENGTH), y = up(c, a->y);

    return pool_format(&c->pool, "e,%.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f", a->to, y, a->from, y,
                       a->from + (end - a->from) / 3, y, a->from + (end - a->from) * 2 / 3, y, end, y);
}

static const char *self_path(struct canvas *c, const struct laid_arrow *a)
{
    double top = up(c, a->y), low = up(c, a->y + LAYOUT_SELF_DROP);
    double right = (a->from > a->to ? a->from : a->to) + LAYOUT_SELF_WIDTH, end = a->to + HEAD_LENGTH;
    double middle = (top + low) / 2;

    return pool_format(&c->pool, "e,%.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f %.2f,%.2f",
                       a->to, low, a->from, top, right - 8, top, right, top, right, middle, right, low, right - 8, low,
                       end, low);
}

static Agedge_t *arrow(struct canvas *c, const struct laid_arrow *a, enum row_style style)
{
    Agedge_t *e = edge(c, a->to_self ? self_path(c, a) : straight_path(c, a));

    set(c, e, COLOR, strokes[style].colour);
    set(c, e, STYLE, strokes[style].style);
    set(c, e, ARROWHEAD, strokes[style].head);
    set(c, e, PENWIDTH, strokes[style].width);
    return e;
}

static void arrow_label(struct canvas *c, Agedge_t *e, const struct laid_text *label)
{
    set_text(c, e, LABEL, label->text);
    set(c, e, LP,
        pool_format(&c->pool, "%.2f,%.2f", label->box.x + label->box.w / 2, up(c, label->box.y + label->box.h / 2)));
    set(c, e, FONTSIZE, pool_format(&c->pool, "%.1f", label->size));
    set(c, e, FONTCOLOR, ink_colours[label->ink]);
}

static void draw_arrows(struct canvas *c)
{
    const struct diagram *d = c->l->d;
    static const char *const classes[] = {"call", "reply", "wake", "inferred"};

    anchor_here(c);
    for (size_t i = 0; i < c->l->arrows_count; i++) {
        const struct laid_arrow *a = &c->l->arrows[i];
        const struct row *row = &d->rows[a->row];
        if (!c->crowded) { /* a wide transparent twin makes a thin arrow easy to hit */
            Agedge_t *target = arrow(c, a, row->style);
            set(c, target, COLOR, "#ffffff00");
            set(c, target, STYLE, "solid");
            set(c, target, ARROWHEAD, "none");
            set(c, target, PENWIDTH, "10");
            link_to(c, target, a->row, false);
        }
        Agedge_t *e = arrow(c, a, row->style);
        arrow_label(c, e, &a->label);
        link_to(c, e, a->row, true);
        set(c, e, ID, pool_format(&c->pool, "message_%llu", (unsigned long long)row->number));
        set(c, e, CLASS, classes[row->style]);
    }
    for (size_t i = 0; i < c->l->samples_count; i++) {
        const struct laid_arrow *a = &c->l->samples[i];
        arrow_label(c, arrow(c, a, (enum row_style)a->row), &a->label);
    }
}

/* ---- the whole ---- */

static const char *const attribute_names[] = {
    "pos",       "width",   "height",       "id",  "shape", "style",    "color",     "fillcolor", "label", "fontsize",
    "fontcolor", "tooltip", "labeltooltip", "URL", "dir",   "penwidth", "arrowhead", "lp",        "class"};

static void canvas_begin(struct canvas *c, const char *format)
{
    Agraph_t *g = c->g;

    agattr(g, AGRAPH, "bb", (char *)pool_format(&c->pool, "0,0,%.2f,%.2f", c->l->width, c->l->height));
    agattr(g, AGRAPH, "notranslate", "true");
    agattr(g, AGRAPH, "splines", "line");
    agattr(g, AGRAPH, "pad", "0.05");
    agattr(g, AGRAPH, "charset", "UTF-8");
    agattr(g, AGRAPH, "bgcolor", "white");
    agattr(g, AGRAPH, "tooltip", " ");
    if (strcmp(format, "png") == 0)
        agattr(g, AGRAPH, "dpi", "120");
    agattr(g, AGNODE, "fixedsize", "true");
    agattr(g, AGNODE, "margin", "0");
    agattr(g, AGNODE, "fontname", "Arial");
    agattr(g, AGEDGE, "fontname", "Arial");
    agattr(g, AGEDGE, "arrowsize", "0.7");
    for (int a = 0; a < ATTRIBUTES; a++) {
        c->node_symbols[a] = agattr(g, AGNODE, (char *)attribute_names[a], a == SHAPE ? "none" : "");
        c->edge_symbols[a] = agattr(g, AGEDGE, (char *)attribute_names[a], "");
    }
}

/* One for the whole program and never given back: Graphviz 2.42 keeps a pointer to a font name of the first one. */
static GVC_t *graphviz(void)
{
    static GVC_t *gvc;

    if (!gvc)
        gvc = gvContext();
    return gvc;
}

static int canvas_write(struct canvas *c, const char *format, FILE *out)
{
    bool failed = false;

    if (strcmp(format, "dot") == 0) {
        agwrite(c->g, out);
    } else {
        GVC_t *gvc = graphviz();
        failed = gvLayout(gvc, c->g, "nop2") || gvRender(gvc, c->g, format, out);
        gvFreeLayout(gvc, c->g);
    }
    return failed || fflush(out) || ferror(out) ? -EIO : 0;
}

int render_graphviz(const struct layout *l, const char *format, const char *source_prefix, FILE *out)
{
    struct canvas c = {.g = agopen("lifeline", Agdirected, NULL),
                       .l = l,
                       .prefix = source_prefix,
                       .crowded = l->arrows_count > CROWDED};

    agseterr(AGERR); /* warnings about sizes are not for whoever asked for a picture */
    canvas_begin(&c, format);
    draw_bands(&c);
    draw_heads_and_lines(&c);
    draw_bars(&c);
    draw_loops(&c);
    draw_notes(&c);
    draw_marks(&c);
    draw_texts(&c);
    draw_arrows(&c);
    int result = canvas_write(&c, format, out);
    agclose(c.g);
    pool_free(&c.pool);
    return result;
}
