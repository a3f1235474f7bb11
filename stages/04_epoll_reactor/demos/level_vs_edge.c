/* Two ways in which epoll can report, side by side, with no runtime around them.
 *
 *   level-triggered   "there is something to read": reported each time somebody asks, for as long as it is true
 *   edge-triggered    "something new has come": reported once, and it is up to you to read all of it
 *
 * Edge-triggered saves reports, and system calls to switch them off and on again. Its price is a rule: read until the
 * call would block, or nobody tells you about the rest. The third part breaks that rule. */
#include "demo.h"
#include "must.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { BYTES = 10, WAIT_MS = 100 };

/* A pair of connected sockets, and an epoll instance that watches one of them. */
struct side {
    const char *name;
    int reader, writer, epoll;
};

static struct side side_open(const char *name, uint32_t trigger)
{
    struct side side = {.name = name, .epoll = sys_epoll_create(SITE(""))};
    int pair[2];

    must(side.epoll < 0 ? side.epoll : 0, "epoll_create1");
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0 ? 0 : -errno, "socketpair");
    side.reader = pair[0];
    side.writer = pair[1];
    must(sys_epoll_ctl(side.epoll, EPOLL_CTL_ADD, side.reader, EPOLLIN | trigger, 0, SITE("")), "epoll_ctl");
    return side;
}

static void side_close(struct side *side)
{
    sys_close(side->epoll, SITE(""));
    sys_close(side->reader, SITE(""));
    sys_close(side->writer, SITE(""));
}

static void side_send(struct side *side, size_t count)
{
    static const char bytes[BYTES] = "0123456789";
    ssize_t sent = sys_send(side->writer, bytes, count, SITE(""));
    must(sent < 0 ? (int)sent : 0, "send");
}

/* Reads so many bytes at most; says how many there were. */
static size_t side_receive(struct side *side, size_t count)
{
    char bytes[BYTES * 2];
    ssize_t came = sys_recv(side->reader, bytes, count, SITE(""));
    must(came < 0 && came != -EAGAIN ? (int)came : 0, "recv");
    return came > 0 ? (size_t)came : 0;
}

/* Waits so many ms for a report. */
static bool side_is_reported(struct side *side, int milliseconds)
{
    struct epoll_event event;
    int count = sys_epoll_wait(side->epoll, &event, 1, milliseconds * INT64_C(1000000), SITE(""));
    must(count < 0 && count != -EINTR ? count : 0, "epoll_wait");
    return count > 0;
}

static void nobody_reads(struct side *side)
{
    int reports = 0;

    side_send(side, BYTES);
    for (int i = 0; i < 5; i++)
        reports += side_is_reported(side, 0);
    printf("  %s   reported %d of 5 times\n", side->name, reports);
}

/* Reads all that there is, until the call would block. */
static void all_is_read(struct side *side)
{
    int reports = 0;
    size_t calls = 0;

    side_send(side, BYTES);
    while (side_is_reported(side, 0)) {
        reports++;
        do
            calls++;
        while (side_receive(side, 1) > 0);
    }
    printf("  %s   reports: %d, reads: %zu, the last of which would block\n", side->name, reports, calls);
}

/* Reads four bytes after each report, and then waits for the next one. */
static size_t read_by_fours(struct side *side)
{
    size_t came = 0;

    while (came < BYTES && side_is_reported(side, WAIT_MS))
        came += side_receive(side, 4);
    return came;
}

static void some_is_read(struct side *side)
{
    side_send(side, BYTES);
    size_t came = read_by_fours(side);
    printf("  %s   got %zu of %d bytes", side->name, came, BYTES);
    if (came == BYTES) {
        printf("\n");
        return;
    }
    printf(", then no report for %d ms, though %zu bytes lie there\n", WAIT_MS, BYTES - came);
    side_send(side, 1);
    const char *report = side_is_reported(side, 0) ? "reported" : "not reported";
    printf("  %s   one byte more is sent, and that is %s; now %zu bytes can be read\n", side->name, report,
           side_receive(side, BYTES * 2));
}

static void on_both(const char *title, void (*part)(struct side *side))
{
    struct side level = side_open("level-triggered", 0);
    struct side edge = side_open("edge-triggered ", EPOLLET);

    printf("%s\n", title);
    part(&level);
    part(&edge);
    side_close(&level);
    side_close(&edge);
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Level-triggered and edge-triggered epoll, side by side, on the same unread bytes.", 0);
    on_both("10 bytes lie unread, nobody reads them, and epoll_wait is called five times:", nobody_reads);
    on_both("10 bytes, read one by one until a read would block:", all_is_read);
    on_both("10 bytes, of which a report is answered by reading four, and then waiting for the next report:",
            some_is_read);
    printf(
        "The last one is the classic mistake. The reactor of this stage cannot make it: a future waits only after a\n"
        "call that would block, and until then the descriptor counts as ready.\n");
    return 0;
}
