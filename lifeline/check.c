/* lifeline check: the contracts, and a few warnings beside them. */
#include "commands.h"
#include "describe.h"
#include "options.h"
#include "rules.h"
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECK_CLEAN = 0, CHECK_BROKEN = 1, CHECK_INCOMPLETE = 3 };

#define DEFAULT_LONG_POLL 10000000 /* ns */
#define MOST_SHOWN        20       /* findings, and warnings of each sort */
#define MANY_POLLS        50       /* fewer say nothing */

struct colours {
    const char *error, *warning, *strong, *plain;
};

static struct colours colours(void)
{
    if (isatty(STDOUT_FILENO) && !getenv("NO_COLOR"))
        return (struct colours){"\033[1;31m", "\033[1;33m", "\033[1m", "\033[0m"};
    return (struct colours){"", "", "", ""};
}

/* ---- one finding */

static void print_place(const struct recording *rec, size_t number)
{
    const struct event *ev = &rec->events[number];
    const struct place *place = event_place(rec, ev);
    char args[DESCRIBE_SIZE], thread[DESCRIBE_SIZE];
    const char *name = event_kind_name(ev->kind);

    if (place->line)
        printf("  --> %s:%u, in %s\n", place->file, place->line, place->function);
    else
        printf("  --> a line that is not known\n");
    describe_args(rec, ev, args, sizeof args);
    printf("   |  event #%zu at %.3f us, on %s: %s%s%s\n", number + 1, (double)ev->time / 1e3,
           describe_thread(rec, ev->thread, thread, sizeof thread), name ? name : "an event of unknown kind",
           *args ? ", " : "", args);
}

static void print_task(const struct check *c, uint32_t number)
{
    const struct model_task *task = number ? model_task(&c->m, number) : NULL;
    const struct place *place;

    if (!task)
        return;
    place = event_place(c->rec, &c->rec->events[task->spawned]);
    printf("   |  task %u runs \"%s\" and was spawned at %s:%u\n", number, task_type(c->rec, number), place->file,
           place->line);
}

/* What else is wrong with the same task, in one line: most often it would not be, but for the first. */
static void print_followers(const struct check *c, const struct finding *first)
{
    size_t index = (size_t)(first - c->findings) + 1;
    bool any = false;

    for (size_t i = index; i < c->finding_count; i++) {
        const struct finding *finding = &c->findings[i];

        if (finding->follows != index)
            continue;
        printf("%s %s (event #%zu)", any ? "," : "   =  after that also:", finding->rule->id, finding->event + 1);
        any = true;
    }
    if (any)
        printf("\n");
}

static void print_finding(const struct check *c, const struct finding *finding, const struct colours *colour)
{
    printf("%sbroken[%s]%s%s: %s%s\n", colour->error, finding->rule->id, colour->plain, colour->strong, finding->text,
           colour->plain);
    print_place(c->rec, finding->event);
    print_task(c, finding->task);
    printf("   =  contract: %s\n", finding->rule->says);
    printf("   =  more: docs/contracts.md#%s, %s\n", finding->rule->id, finding->rule->chapter);
    print_followers(c, finding);
    printf("\n");
}

/* ---- warnings */

static void begin_warning(const char *id, const struct colours *colour)
{
    printf("%swarning[%s]%s: ", colour->warning, id, colour->plain);
}

static void print_remark(const struct recording *rec, const struct tally_remark *remark, const struct colours *colour)
{
    const struct place *taken = event_place(rec, &rec->events[remark->value < rec->count ? remark->value : 0]);
    char words[DESCRIBE_SIZE];

    if (remark->kind == REMARK_GUARD) {
        begin_warning("guard-across-await", colour);
        printf("task %u is suspended while its thread holds the lock taken at %s:%u\n", remark->task, taken->file,
               taken->line);
    } else {
        begin_warning("long-poll", colour);
        printf("this poll of task %u took %s, and other tasks were waiting in the queue\n", remark->task,
               describe_time(remark->value, words, sizeof words));
    }
    print_place(rec, remark->event);
    printf("\n");
}

/* One of each kind is shown for each task: what happens in every poll is one mistake. */
static unsigned warn_of_moments(const struct recording *rec, const struct tally *tally, const struct colours *colour)
{
    struct map told = {0};
    unsigned count = 0;

    for (size_t i = 0; i < tally->remark_count; i++) {
        const struct tally_remark *remark = &tally->remarks[i];
        uint64_t key = (uint64_t)remark->kind << 32 | remark->task;

        if (map_get(&told, key) != MAP_NONE)
            continue;
        map_put(&told, key, 0);
        if (count++ < MOST_SHOWN)
            print_remark(rec, remark, colour);
    }
    map_free(&told);
    return count;
}

static const char *task_warning(const struct tally_task *task)
{
    if (task->polls < MANY_POLLS)
        return NULL;
    if (task->self_wakes * 10 >= task->polls * 9)
        return "self-waking";
    return task->wasted * 10 >= task->polls * 9 ? "wasted-polls" : NULL;
}

static void print_task_warning(const struct recording *rec, const struct tally_task *task, const char *warning,
                               const struct colours *colour)
{
    begin_warning(warning, colour);
    if (strcmp(warning, "self-waking") == 0)
        printf("task %u woke itself for %llu of its %llu polls: it keeps the executor busy instead of waiting\n",
               task->number, (unsigned long long)task->self_wakes, (unsigned long long)task->polls);
    else
        printf("%llu of the %llu polls of task %u had no effect\n", (unsigned long long)task->wasted,
               (unsigned long long)task->polls, task->number);
    print_place(rec, task->spawned);
    printf("\n");
}

static unsigned warn_of_tasks(const struct recording *rec, const struct tally *tally, const struct colours *colour)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < tally->task_count; i++) {
        const char *warning = task_warning(&tally->tasks[i]);

        if (warning && count++ < MOST_SHOWN)
            print_task_warning(rec, &tally->tasks[i], warning, colour);
    }
    return count;
}

static unsigned print_warnings(const struct recording *rec, uint64_t long_poll, const struct colours *colour)
{
    struct tally tally;
    unsigned count;

    tally_run(&tally, rec, long_poll);
    count = warn_of_moments(rec, &tally, colour);
    count += warn_of_tasks(rec, &tally, colour);
    tally_free(&tally);
    return count;
}

/* ---- the whole */

static void print_incomplete(const struct recording *rec)
{
    if (rec->dropped)
        printf("incomplete: %llu events found no room; what came after event #%zu was not judged (a larger TRACE_LIMIT "
               "helps)\n",
               (unsigned long long)rec->dropped, rec->whole);
    else
        printf("incomplete: the program was killed or crashed, so only what it did until then was judged\n");
}

/* ---- who was blocked */

/* A thread that slept for a futex, or was about to, and neither parked nor in block_on, where that is its business. */
static bool is_blocked(const struct check *c, uint32_t thread)
{
    const struct model_frame *top = model_top(&c->m, thread);
    bool sleeps = top && top->kind == TRACE_SYSCALL_BEGIN && top->a == TRACE_CALL_FUTEX_WAIT;

    bool waits = model_inside(&c->m, thread, TRACE_PARK_BEGIN) || model_inside(&c->m, thread, TRACE_BLOCK_ON_BEGIN);

    return c->m.threads[thread].wanted || (sleeps && !waits);
}

static void print_holder(const struct check *c, uint64_t wanted)
{
    char name[DESCRIBE_SIZE];

    for (uint32_t i = 0; wanted && i < c->m.lock_count; i++) {
        const struct model_lock *lock = &c->m.locks[i];
        const struct place *place;

        if (lock_of(lock->number) != lock_of(wanted) || !lock->holder)
            continue;
        place = event_place(c->rec, &c->rec->events[lock->taken]);
        printf("; %s took it at %s:%u", describe_thread(c->rec, lock->holder, name, sizeof name), place->file,
               place->line);
        if (lock->task)
            printf(", in task %u%s", lock->task,
                   model_task(&c->m, lock->task)->polled_by ? "" : ", which is suspended");
        return;
    }
}

/* What a program that was stopped hung on is often told by these. */
static void print_blocked(const struct check *c)
{
    unsigned count = 0;

    for (uint32_t t = 0; t <= c->rec->threads; t++) {
        const struct model_thread *thread = &c->m.threads[t];
        char name[DESCRIBE_SIZE], lock[DESCRIBE_SIZE];
        const struct place *place;

        if (!is_blocked(c, t) || count++ >= MOST_SHOWN)
            continue;
        place = event_place(c->rec, &c->rec->events[thread->wanted ? thread->wanted_at : thread->last_event]);
        printf("blocked: %s (thread %u) waits at %s:%u for %s", describe_thread(c->rec, t, name, sizeof name), t,
               place->file, place->line, thread->wanted ? describe_lock(thread->wanted, lock, sizeof lock) : "a futex");
        print_holder(c, thread->wanted);
        printf("\n");
    }
}

static void print_sum(const struct check *c, size_t broken, unsigned warnings)
{
    if (broken)
        printf("%s: %zu broken", c->rec->path, broken);
    else
        printf("%s: no contract is broken", c->rec->path);
    if (warnings)
        printf(", %u warning%s", warnings, warnings == 1 ? "" : "s");
    printf(" (%zu events, %u task%s)\n", c->rec->count, c->m.task_count, c->m.task_count == 1 ? "" : "s");
}

static int check_and_print(const struct recording *rec, uint64_t long_poll)
{
    struct colours colour = colours();
    struct check c;
    size_t broken = 0;
    unsigned warnings;
    int status;

    check_run(&c, rec);
    for (size_t i = 0; i < c.finding_count; i++)
        if (!c.findings[i].follows && broken++ < MOST_SHOWN)
            print_finding(&c, &c.findings[i], &colour);
    if (broken > MOST_SHOWN)
        printf("%zu more are not shown\n\n", broken - MOST_SHOWN);
    warnings = print_warnings(rec, long_poll, &colour);
    if (!c.complete) {
        print_blocked(&c);
        print_incomplete(rec);
    }
    print_sum(&c, broken, warnings);
    status = broken ? CHECK_BROKEN : c.complete ? CHECK_CLEAN : CHECK_INCOMPLETE;
    check_free(&c);
    return status;
}

static int print_rules(void)
{
    for (const struct rule *rule = rules; rule->id; rule++)
        printf("%-22s %s\n", rule->id, rule->says);
    return finish_output();
}

static const char help[] =
    "usage: lifeline check TRACE [--long-poll MS]\n"
    "       lifeline check --rules\n"
    "\n"
    "Holds a recording against the contracts of async (docs/contracts.md) and shows each breach: the task, the "
    "moment,\n"
    "the line of source, the contract. Warnings are shown beside them and do not change the exit status.\n"
    "\n"
    "  --long-poll MS   warn of a poll that keeps others waiting for so long (default: 10)\n"
    "  --rules          list the contracts\n"
    "\n"
    "exit status: 0 no contract is broken, 1 one is, 2 the recording cannot be read, 3 none is broken, but the "
    "recording\n"
    "is incomplete: the program was killed, or its recording was full\n"
    "\n"
    "examples:\n"
    "  lifeline check run.trace\n"
    "  lifeline check run.trace --long-poll 1\n";

/* Milliseconds as ns. False when the text is no such number. */
static bool parse_ms(const char *text, uint64_t *ns)
{
    char *end;
    double ms = strtod(text, &end);

    *ns = (uint64_t)(ms >= 0 && ms < 1e9 ? ms * 1e6 : 0);
    return end != text && *end == '\0' && ms >= 0 && ms < 1e9;
}

int check_main(int argc, char **argv)
{
    uint64_t long_poll = DEFAULT_LONG_POLL;
    struct recording rec;
    const char *path, *given = NULL;
    int status;

    if (argc == 2 && strcmp(argv[1], "--rules") == 0)
        return print_rules();
    if (!options_take(&argc, argv, "--long-poll", &given) || (given && !parse_ms(given, &long_poll)))
        return options_bad(argv[0], "--long-poll needs a number of milliseconds");
    status = options_one_file(argc, argv, help, &path);
    if (status != OPTIONS_GO_ON)
        return status;
    if (recording_open_or_say(&rec, path) < 0)
        return 2;
    status = check_and_print(&rec, long_poll);
    recording_close(&rec);
    return finish_output() ? 2 : status;
}
