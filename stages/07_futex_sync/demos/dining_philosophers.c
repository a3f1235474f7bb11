/* Five philosophers around a table, a fork between each two, and each needs both forks beside it to eat.
 *
 * At first all do the same: take the left fork, then the right one. As soon as each has its left fork, each waits for
 * the next, in a circle, and nobody ever eats. A watchdog sees that nobody gets on, and names the circle.
 *
 * Then each takes the fork with the lower number first. Five do the same still, but for the fifth that is the right
 * one.
 * A circle is not possible any more: whoever holds the highest fork that is held waits for nobody. */
#define _GNU_SOURCE /* gettid */
#include "barrier.h"
#include "condvar.h"
#include "demo.h"
#include "mutex.h"
#include "threads.h"

#include <errno.h>
#include <unistd.h>

enum { SEATS = 5, MEALS = 100, PATIENCE_MS = 200 };

/* A table is never given back: at the first one its guests sit for ever. */
struct table {
    struct mutex forks[SEATS];
    struct philosopher {
        struct table *table;
        int first, second; /* forks */
        int thread;        /* at the OS */
    } philosophers[SEATS];
    bool all_grab; /* all take their first fork before anybody takes the second */
    struct barrier grabbed;

    struct mutex lock; /* of what follows */
    struct condvar eaten;
    int meals;            /* eaten so far, by all */
    int holder[SEATS];    /* of each fork: a philosopher from 1, or 0 */
    int waits_for[SEATS]; /* each philosopher: a fork from 1, or 0 */
};

static int seat_of(const struct philosopher *p)
{
    return (int)(p - p->table->philosophers);
}

/* These two write down for the watchdog what goes on. */
static void set_waits_for(struct philosopher *p, int fork)
{
    mutex_lock(&p->table->lock);
    p->table->waits_for[seat_of(p)] = fork;
    mutex_unlock(&p->table->lock);
}

static void set_holder(struct philosopher *p, int fork, int holder)
{
    mutex_lock(&p->table->lock);
    p->table->waits_for[seat_of(p)] = 0;
    p->table->holder[fork] = holder;
    mutex_unlock(&p->table->lock);
}

static void fork_take(struct philosopher *p, int fork)
{
    set_waits_for(p, fork + 1);
    mutex_lock(&p->table->forks[fork]);
    set_holder(p, fork, seat_of(p) + 1);
}

static void fork_put_back(struct philosopher *p, int fork)
{
    set_holder(p, fork, 0);
    mutex_unlock(&p->table->forks[fork]);
}

static void eat(struct philosopher *p)
{
    mutex_lock(&p->table->lock);
    p->table->meals++;
    condvar_signal(&p->table->eaten);
    mutex_unlock(&p->table->lock);
}

static void *dine(void *arg)
{
    struct philosopher *p = arg;
    struct table *t = p->table;

    trace_thread_name("philosopher");
    p->thread = gettid();
    for (int meal = 0; meal < MEALS; meal++) {
        fork_take(p, p->first);
        if (t->all_grab)
            barrier_wait(&t->grabbed);
        fork_take(p, p->second);
        eat(p);
        fork_put_back(p, p->second);
        fork_put_back(p, p->first);
    }
    return NULL;
}

/* Is everybody waiting for a fork that somebody holds? Then nobody can ever go on. The caller holds the lock. */
static bool all_wait(const struct table *t)
{
    for (int i = 0; i < SEATS; i++)
        if (t->waits_for[i] == 0 || t->holder[t->waits_for[i] - 1] == 0)
            return false;
    return true;
}

/* Goes from who waits to who holds what it waits for, all around. The caller holds the lock. */
static void name_circle(const struct table *t)
{
    for (int step = 0, at = 0; step < SEATS; step++) {
        int fork = t->waits_for[at];
        int holder = t->holder[fork - 1];
        printf("  philosopher %d waits for fork %d, which philosopher %d holds\n", at + 1, fork, holder);
        at = holder - 1;
    }
    printf("  ... and that is a circle: none of them will ever eat.\n");
}

/* Waits until all have eaten their meals; looks why when nobody eats for a while. Says whether all have. */
static bool watch(struct table *t)
{
    bool stuck = false;

    mutex_lock(&t->lock);
    while (t->meals < SEATS * MEALS && !stuck)
        if (condvar_wait_until(&t->eaten, &t->lock, in_milliseconds(PATIENCE_MS)) == -ETIMEDOUT)
            stuck = all_wait(t);
    if (stuck)
        name_circle(t);
    else
        printf("  all five have eaten %d times\n", MEALS);
    mutex_unlock(&t->lock);
    return !stuck;
}

static void serve(struct table *t)
{
    pthread_t threads[SEATS];

    must(barrier_init(&t->grabbed, SEATS), "barrier_init");
    for (int i = 0; i < SEATS; i++) {
        t->philosophers[i].table = t;
        threads[i] = thread_start(dine, &t->philosophers[i]);
    }
    bool all = watch(t);
    for (int i = 0; i < SEATS; i++) {
        if (!all)
            wait_until_asleep(t->philosophers[i].thread); /* so that a recording shows it, too */
        all ? thread_join(threads[i]) : (void)pthread_detach(threads[i]);
    }
}

int main(int argc, char **argv)
{
    static struct table left_first = {.all_grab = true}, lower_first;

    demo_begin(
        argc, argv,
        "Five philosophers and five forks: how all of them come to wait in a circle, and the order that prevents it.",
        0);
    for (int i = 0; i < SEATS; i++) {
        int left = i, right = (i + 1) % SEATS;
        left_first.philosophers[i] = (struct philosopher){.first = left, .second = right};
        lower_first.philosophers[i] = (struct philosopher){.first = left < right ? left : right,
                                                           .second = left < right ? right : left};
    }
    printf("Everybody takes the left fork first:\n");
    serve(&left_first);
    printf("Everybody takes the fork with the lower number first:\n");
    serve(&lower_first);
    return 0;
}
