/* lifeline draw: options, what to do with recordings that are too big for one picture, and the files. */
#include "commands.h"
#include "diagram.h"
#include "memory.h"
#include "options.h"
#include "render.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: lifeline draw TRACE [-T FORMAT] [-o FILE] [options]\n"
    "\n"
    "Draws a recording as a sequence diagram.\n"
    "\n"
    "  -T FORMAT         svg, png, pdf, dot, mermaid, text or perfetto; without it FILE's ending decides\n"
    "                    (.svg .png .pdf .dot .mmd .txt .json), and without FILE it is text\n"
    "  -o FILE           where to; without it standard output\n"
    "  --task N          only what concerns task N (may be given again)\n"
    "  --from T, --to T  only this stretch of time: 250us, 1.5ms, 2s; a bare number is milliseconds\n"
    "  --stage-notes     explain each of the thirteen steps\n"
    "  --source PREFIX   what the links to source lines begin with\n"
    "  --page N          only page N of a big diagram, and nothing of it left out\n"
    "\n"
    "What repeats is drawn once and marked with how often it came. A diagram of several pages becomes FILE-1, FILE-2 "
    "...\n"
    "\n"
    "examples:\n"
    "  lifeline draw run.trace\n"
    "  lifeline draw run.trace -o run.svg --stage-notes --source https://example.org/repo/blob/main/\n"
    "  lifeline draw run.trace -T mermaid --task 3 --from 10ms --to 20ms\n";

enum format {
    FORMAT_NONE,
    FORMAT_SVG,
    FORMAT_PNG,
    FORMAT_PDF,
    FORMAT_DOT,
    FORMAT_MERMAID,
    FORMAT_TEXT,
    FORMAT_PERFETTO,
    FORMAT_HTML
};

static const struct {
    const char *name, *ending;
    unsigned page;       /* messages on a page */
    unsigned head, tail; /* messages of an overview; none: never shortened here */
    bool binary;
} formats[] = {
    [FORMAT_SVG] = {"svg", ".svg", 1000, 150, 50, false},
    [FORMAT_PNG] = {"png", ".png", 60, 45, 15, true},
    [FORMAT_PDF] = {"pdf", ".pdf", 60, 45, 15, true},
    [FORMAT_DOT] = {"dot", ".dot", 1000, 150, 50, false},
    [FORMAT_MERMAID] = {"mermaid", ".mmd", 300, 225, 75, false},
    [FORMAT_TEXT] = {"text", ".txt", 1000, 150, 50, false},
    [FORMAT_PERFETTO] = {"perfetto", ".json", 0, 0, 0, false},
    [FORMAT_HTML] = {"html", ".html", 0, 0, 0, false},
};

enum {
    FORMATS = sizeof formats / sizeof *formats,
    MOST_PAGES = 20,      /* more than anyone leafs through: an overview instead */
    MERMAID_MOST = 50000, /* characters: Mermaid's maxTextSize */
};

struct draw {
    const char *trace, *output, *source;
    enum format format;
    struct diagram_options diagram;
    uint32_t *tasks;
    bool notes;
    unsigned page; /* 0: all */
};

/* ---- options ---- */

static bool parse_number(const char *text, uint64_t most, uint64_t *number)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return !errno && !*end && *number <= most;
}

static bool parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"", 1e6}, {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) == 0 && value * units[i].ns < 1e18) {
            *ns = (uint64_t)(value * units[i].ns + 0.5);
            return true;
        }
    }
    return false;
}

static enum format format_named(const char *name)
{
    for (int i = 1; i < FORMATS; i++)
        if (strcmp(name, formats[i].name) == 0)
            return (enum format)i;
    return FORMAT_NONE;
}

static enum format format_of_file(const char *file)
{
    size_t length = strlen(file);

    for (int i = 1; i < FORMATS; i++) {
        size_t ending = strlen(formats[i].ending);
        if (length > ending && strcmp(file + length - ending, formats[i].ending) == 0)
            return (enum format)i;
    }
    return FORMAT_NONE;
}

static bool draw_add_task(struct draw *draw, const char *text)
{
    uint64_t task;

    if (!parse_number(text, UINT32_MAX, &task) || task == 0)
        return false;
    draw->tasks = memory_more(draw->tasks, draw->diagram.task_count, sizeof *draw->tasks);
    draw->tasks[draw->diagram.task_count++] = (uint32_t)task;
    draw->diagram.tasks = draw->tasks;
    return true;
}

/* Options with a value. False: the value makes no sense. */
static bool draw_set(struct draw *draw, const char *option, const char *value)
{
    uint64_t number = 0;

    if (strcmp(option, "-T") == 0)
        return (draw->format = format_named(value)) != FORMAT_NONE;
    if (strcmp(option, "--task") == 0)
        return draw_add_task(draw, value);
    if (strcmp(option, "--from") == 0)
        return parse_time(value, &draw->diagram.from);
    if (strcmp(option, "--to") == 0)
        return parse_time(value, &draw->diagram.to) && draw->diagram.to > 0;
    if (strcmp(option, "--page") == 0) {
        bool good = parse_number(value, UINT_MAX, &number) && number > 0;
        draw->page = (unsigned)number;
        return good;
    }
    if (strcmp(option, "-o") == 0)
        draw->output = value;
    else
        draw->source = value;
    return value[0] || option[1] == '-';
}

static bool takes_value(const char *option)
{
    static const char *const with_value[] = {"-T", "-o", "--task", "--from", "--to", "--page", "--source"};

    for (size_t i = 0; i < sizeof with_value / sizeof *with_value; i++)
        if (strcmp(option, with_value[i]) == 0)
            return true;
    return false;
}

/* OPTIONS_GO_ON, or the exit status. */
static int draw_parse(struct draw *draw, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];
        if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
            return fputs(help, stdout) < 0 ? 2 : 0;
        if (strcmp(option, "--stage-notes") == 0) {
            draw->notes = true;
        } else if (takes_value(option)) {
            if (++i == argc)
                return options_bad(argv[0], "%s needs a value", option);
            if (!draw_set(draw, option, argv[i]))
                return options_bad(argv[0], "%s makes no sense for %s", argv[i], option);
        } else if (option[0] == '-' && option[1]) {
            return options_bad(argv[0], "there is no option %s", option);
        } else if (draw->trace) {
            return options_bad(argv[0], "one recording at a time");
        } else {
            draw->trace = option;
        }
    }
    if (draw->diagram.to && draw->diagram.from > draw->diagram.to)
        return options_bad(argv[0], "--from is later than --to");
    return draw->trace ? OPTIONS_GO_ON : options_bad(argv[0], "which recording?");
}

static bool task_is_recorded(const struct recording *rec, uint32_t task)
{
    for (size_t i = 0; i < rec->count; i++)
        if (rec->events[i].task == task)
            return true;
    return false;
}

/* Tasks that are asked for must be there. OPTIONS_GO_ON or the exit status. */
static int draw_check_tasks(const struct draw *draw, const struct recording *rec, const char *command)
{
    for (size_t i = 0; i < draw->diagram.task_count; i++)
        if (!task_is_recorded(rec, draw->tasks[i]))
            return options_bad(command, "there is no task %u in %s", draw->tasks[i], draw->trace);
    return OPTIONS_GO_ON;
}

static int draw_choose_format(struct draw *draw, const char *command)
{
    if (draw->format == FORMAT_NONE)
        draw->format = draw->output ? format_of_file(draw->output) : FORMAT_TEXT;
    if (draw->format == FORMAT_NONE)
        return options_bad(command, "%s does not say which format to draw: name one with -T", draw->output);
    if (draw->format == FORMAT_HTML)
        return options_bad(command, "html is not there yet: svg has links and tooltips too");
    if (formats[draw->format].binary && !draw->output && isatty(STDOUT_FILENO))
        return options_bad(command, "a %s is no sight for a terminal: name a file with -o", formats[draw->format].name);
    return OPTIONS_GO_ON;
}

/* ---- files ---- */

/* "run-3.svg" for page 3 of "run.svg". */
static const char *page_file(struct pool *pool, const char *output, const struct page *page, bool alone)
{
    const char *dot = strrchr(file_base(output), '.');
    int stem = (int)(dot ? dot - output : (long)strlen(output));

    return alone ? output : pool_format(pool, "%.*s-%u%s", stem, output, page->number, dot ? dot : "");
}

static int complain(const char *file, int error)
{
    fprintf(stderr, "lifeline: %s: %s\n", file, strerror(error));
    return 2;
}

/* Opens the file (NULL: standard output), lets render fill it, and closes it. The exit status. */
static int write_file(const char *file, int (*render)(void *arg, FILE *out), void *arg)
{
    FILE *out = file ? fopen(file, "wb") : stdout;

    if (!out)
        return complain(file, errno);
    int result = render(arg, out);
    if (file && fclose(out) && !result)
        result = -errno;
    if (!file)
        return finish_output();
    return result ? complain(file, -result) : 0;
}

struct one_page {
    const struct draw *draw;
    const struct layout *layout;
};

static int render_one_page(void *arg, FILE *out)
{
    const struct one_page *p = arg;

    return render_graphviz(p->layout, formats[p->draw->format].name, p->draw->source, out);
}

static int draw_page(const struct draw *draw, const struct diagram *d, const struct columns *c, const struct page *page)
{
    struct pool pool = {NULL};
    struct layout layout;
    bool alone = page->count == 1 || draw->page;

    layout_make(&layout, d, c, page);
    const char *file = draw->output ? page_file(&pool, draw->output, page, alone) : NULL;
    int status = write_file(file, render_one_page, &(struct one_page){draw, &layout});
    layout_free(&layout);
    pool_free(&pool);
    return status;
}

static int no_such_page(const struct draw *draw, unsigned count)
{
    fprintf(stderr, "lifeline: there is no page %u: this diagram has %u\n", draw->page, count);
    return 2;
}

static int draw_pages(const struct draw *draw, const struct diagram *d)
{
    struct columns columns;
    unsigned count, status = 0;
    uint64_t whole = formats[draw->format].page * 2; /* what is not much more than a page is still one */
    struct page *pages = pages_make(d, diagram_drawn(d) <= whole ? whole : formats[draw->format].page, &count);

    if (draw->page > count) {
        status = (unsigned)no_such_page(draw, count);
    } else if (count > 1 && !draw->page && !draw->output) {
        status = (unsigned)options_bad(
            "draw", "this diagram has %u pages: name a file with -o, or one page with --page", count);
    } else {
        columns_make(&columns, d, draw->notes);
        for (unsigned i = 0; i < count && !status; i++)
            if (!draw->page || draw->page == i + 1)
                status = (unsigned)draw_page(draw, d, &columns, &pages[i]);
        columns_free(&columns);
        if (count > 1 && !draw->page && !status)
            fprintf(stderr, "lifeline: the diagram has %u pages: %s is cut into as many files\n", count, draw->output);
    }
    free(pages);
    return (int)status;
}

/* ---- formats without pages ---- */

static int render_as_text(void *arg, FILE *out)
{
    const void **args = arg;

    return render_text(args[0], args[1], out);
}

static int draw_text(const struct draw *draw, const struct diagram *d)
{
    bool terminal = !draw->output && isatty(STDOUT_FILENO);
    struct text_options options = {.colour = terminal && !getenv("NO_COLOR"), .notes = draw->notes};
    const void *args[] = {d, &options};

    setlocale(LC_CTYPE, "");
    options.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return write_file(draw->output, render_as_text, args);
}

static int render_as_perfetto(void *arg, FILE *out)
{
    return render_perfetto(arg, out);
}

struct buffer {
    char *bytes;
    size_t size;
};

static int render_buffer(void *arg, FILE *out)
{
    const struct buffer *buffer = arg;

    return fwrite(buffer->bytes, 1, buffer->size, out) == buffer->size ? 0 : -EIO;
}

/* ---- sizes ---- */

static void say_what_is_missing(const struct diagram *d)
{
    char number[GROUPED_SIZE];

    fprintf(stderr,
            "lifeline: %s messages in this recording: this is an overview, with repeats folded and the "
            "middle left out; --task, --from, --to or --page show the rest\n",
            format_grouped(d->messages, number));
}

static void diagram_fit(struct diagram *d, const struct draw *draw, unsigned shrink)
{
    uint64_t head = formats[draw->format].head / shrink, tail = formats[draw->format].tail / shrink;
    uint64_t most = (uint64_t)formats[draw->format].page * (draw->format == FORMAT_MERMAID ? 1 : MOST_PAGES);

    diagram_fold(d);
    if (draw->page || diagram_drawn(d) <= most / shrink)
        return;
    diagram_shorten(d, head, tail);
    if (shrink == 1)
        say_what_is_missing(d);
}

/* Mermaid counts characters, which are only known at the end: tries again with less until it fits. */
static int draw_mermaid(const struct draw *draw, const struct recording *rec)
{
    struct buffer buffer = {NULL, 0};
    struct draw whole = *draw;

    whole.page = 0; /* Mermaid has no pages */
    for (unsigned shrink = 1; shrink <= 64; shrink *= 2) {
        struct diagram d;
        free(buffer.bytes);
        FILE *out = open_memstream(&buffer.bytes, &buffer.size);
        if (!out)
            return complain("memory", errno);
        diagram_build(&d, rec, &draw->diagram);
        diagram_fit(&d, &whole, shrink);
        render_mermaid(&d, draw->notes, out);
        fclose(out);
        diagram_free(&d);
        if (buffer.size < MERMAID_MOST)
            break;
    }
    int status = write_file(draw->output, render_buffer, &buffer);
    free(buffer.bytes);
    return status;
}

static int draw_recording(const struct draw *draw, struct recording *rec)
{
    struct diagram d;
    int status;

    if (draw->format == FORMAT_PERFETTO)
        return write_file(draw->output, render_as_perfetto, rec);
    if (draw->format == FORMAT_MERMAID)
        return draw_mermaid(draw, rec);
    diagram_build(&d, rec, &draw->diagram);
    diagram_fit(&d, draw, 1);
    if (diagram_drawn(&d) == 0)
        fprintf(stderr, "lifeline: nothing of what was asked for is in this recording\n");
    if (draw->format == FORMAT_TEXT)
        status = draw_text(draw, &d);
    else
        status = draw_pages(draw, &d);
    diagram_free(&d);
    return status;
}

int draw_main(int argc, char **argv)
{
    struct draw draw = {.source = ""};
    struct recording rec;
    int status = draw_parse(&draw, argc, argv);

    if (status == OPTIONS_GO_ON)
        status = draw_choose_format(&draw, argv[0]);
    if (status == OPTIONS_GO_ON) {
        status = 2;
        if (recording_open_or_say(&rec, draw.trace) == 0) {
            status = draw_check_tasks(&draw, &rec, argv[0]);
            if (status == OPTIONS_GO_ON)
                status = draw_recording(&draw, &rec);
            recording_close(&rec);
        }
    }
    free(draw.tasks);
    return status;
}
