/* A wait may end although nobody has said that anything changed. Whoever takes its end for the news goes wrong.
 *
 * Two threads wait for a parcel, one after the other. The first looks once (`if`), waits, and takes the parcel. The
 * second looks again after each wait (`while`). To end a wait for no reason it needs no trick: a signal comes, with a
 * handler that does not ask for the call to be begun again (no SA_RESTART), and the futex call returns with EINTR. */
#define _GNU_SOURCE /* gettid */
#include "condvar.h"
#include "demo.h"
#include "mutex.h"
#include "threads.h"

#include <signal.h>
#include <unistd.h>

enum { SIGNALS = 3 };

static struct mutex lock;
static struct condvar changed;
static const char *parcel; /* guarded by lock, as are these */
static int looks, thread;
static bool done;

static void nothing(int signal)
{
    (void)signal;
}

static void *take_with_if(void *unused)
{
    trace_thread_name("if");
    mutex_lock(&lock);
    thread = gettid();
    looks++;
    if (!parcel)
        condvar_wait(&changed, &lock);
    printf("if:     the wait has ended, so I take the parcel: %s\n", parcel ? parcel : "there is none!");
    done = true;
    mutex_unlock(&lock);
    return unused;
}

static void *take_with_while(void *unused)
{
    trace_thread_name("while");
    mutex_lock(&lock);
    thread = gettid();
    while (looks++, !parcel)
        condvar_wait(&changed, &lock);
    printf("while:  I have looked %d times, and now I take the parcel: %s\n", looks, parcel);
    done = true;
    mutex_unlock(&lock);
    return unused;
}

/* How often it has looked so far, and which thread it is; big enough if it is done. */
static int looks_now(int *id)
{
    mutex_lock(&lock);
    int now = done ? SIGNALS + 1 : looks;
    *id = thread;
    mutex_unlock(&lock);
    return now;
}

/* Sends it signals until it has looked so many times, or is done. */
static void disturb(pthread_t waiter, int wanted)
{
    int id, sent = 0;

    while (looks_now(&id) < wanted) {
        if (id == 0) {
            pause_ms(1); /* it has not begun */
            continue;
        }
        wait_until_asleep(id);
        pthread_kill(waiter, SIGUSR1);
        sent++;
    }
    printf("main:   sent %d signal%s, and no parcel\n", sent, sent == 1 ? "" : "s");
}

static void bring_parcel(void)
{
    mutex_lock(&lock);
    parcel = "a book";
    condvar_signal(&changed);
    mutex_unlock(&lock);
    printf("main:   brought the parcel, and said so\n");
}

static void begin(void)
{
    mutex_lock(&lock);
    parcel = NULL;
    looks = thread = 0;
    done = false;
    mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = nothing};

    demo_begin(argc, argv,
               "A wait that ends for no reason: `if` around it takes a parcel that is not there, `while` does not.", 0);
    must(sigaction(SIGUSR1, &action, NULL), "sigaction");

    pthread_t waiter = thread_start(take_with_if, NULL);
    disturb(waiter, 2);
    thread_join(waiter);

    begin();
    waiter = thread_start(take_with_while, NULL);
    disturb(waiter, SIGNALS + 1);
    bring_parcel();
    thread_join(waiter);
    return 0;
}
