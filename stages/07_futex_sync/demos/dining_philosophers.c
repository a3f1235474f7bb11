/* Five philosophers around a table, a fork between each two, and each needs both forks beside it to eat.
 *
 * At first all do the same: take the left fork, then the right one. As soon as each has its left fork, each waits for
 * the next, in a circle, and nobody ever eats. A watchdog sees that nobody gets on, and names the circle.
 *
 * Then each takes the fork with the lower number first. Five do the same still, but for the fifth that is the right
 * one.
 * A circle is not possible any more: whoever holds the highest fork that is held waits for nobody. */
#include "barrier.h"
#include "condvar.h"
#include "demo.h"
#include "mutex.h"
#include "threads.h"

enum { SEATS = 5, MEALS = 100, PATIENCE_MS = 200 };

/* A table is never given back: at the first one its guests sit for ever. */
struct table {
    struct mutex forks[SEATS];
    struct philosopher {
        struct table *table;
        int first, second; /* forks */
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

/* Goes from who waits to who holds what it waits for, until it comes to where it began. The caller holds the lock. */
static void name_circle(const struct table *t)
{
    int at = 0;

    do {
        int fork = t->waits_for[at];
        int holder = fork ? t->holder[fork - 1] : 0;
        if (!holder) {
            printf("  philosopher %d waits for nobody\n", at + 1);
            return;
        }
        printf("  philosopher %d waits for fork %d, which philosopher %d holds\n", at + 1, fork, holder);
        at = holder - 1;
    } while (at != 0);
    printf("  ... and that is a circle: none of them will ever eat.\n");
}

/* Waits until all have eaten, or nobody has for so long; says whether all have. */
static bool watch(struct table *t)
{
    mutex_lock(&t->lock);
    while (t->meals < SEATS * MEALS && condvar_wait_until(&t->eaten, &t->lock, in_milliseconds(PATIENCE_MS)) == 0)
        ;
    bool all = t->meals == SEATS * MEALS;
    if (all)
        printf("  all five have eaten %d times\n", MEALS);
    else
        name_circle(t);
    mutex_unlock(&t->lock);
    return all;
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
    for (int i = 0; i < SEATS; i++)
        all ? thread_join(threads[i]) : (void)pthread_detach(threads[i]);
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
