#!/usr/bin/perl
# A second writer of recordings, in another language, written from docs/recording.md alone: it shares nothing with the
# recorder in C. What it records is the life of one future that reads from a socket: as if it were the recorder of some
# other runtime.
#
#   trace/tests/second_writer.pl FILE
use strict;
use warnings;

my $usage = "usage: trace/tests/second_writer.pl FILE, for example: trace/tests/second_writer.pl /tmp/other.trace\n";
if (@ARGV != 1 || $ARGV[0] =~ /^-/) {
    my $asked = "@ARGV" eq '--help';
    print { $asked ? *STDOUT : *STDERR } $usage;
    exit($asked ? 0 : 2);
}

# ---- a recorder, all of it

my ($strings, %string_at) = ("\0", '' => 0);
my (@sites, %site_number);
my @records;
my ($now, $task) = (5_000_000, 0);    # ns; the task that the thread is polling
my $start = $now;

sub string {
    my ($text) = @_;
    if (!exists $string_at{$text}) {
        $string_at{$text} = length $strings;
        $strings .= "$text\0";
    }
    return $string_at{$text};
}

# "file:line function label" -> the number of the site
sub site {
    my ($place) = @_;
    return $site_number{$place} //= do {
        my ($file, $line, $function, $label) = $place =~ /^(\S+):(\d+) (\S+) ?(.*)$/ or die "bad place: $place\n";
        push @sites, pack 'LLLL', string($file), string($function), string($label), $line;
        scalar @sites;
    };
}

sub record {
    my ($kind, $place, $about, $a, $b) = @_;
    $now += 1_000;
    push @records, pack 'Q q L l S S S S', $now, $b, $about, $a, site($place), 1, $kind, 0;
}

sub states { my ($before, $after) = @_; return $before | $after << 16 }

sub call {
    my ($number, $place, $first, $second, $result) = @_;
    record(70, $place, $task, $number, $first | $second << 32);
    record(71, $place, $task, $number, $result);
}

sub recording {
    my $chunk_size = 4096;
    my $per_chunk  = $chunk_size / 32 - 1;
    my $chunks     = '';
    my $count      = 0;
    for (my @rest = @records; @rest; $count++) {
        my $chunk = pack('L x28', 0x4b4e4843) . join '', splice @rest, 0, $per_chunk;
        $chunks .= $chunk . "\0" x ($chunk_size - length $chunk);
    }
    my $sites          = join '', @sites;
    my $strings_offset = 4096 + length $sites;
    my $unpadded       = $strings_offset + length $strings;
    my $chunks_offset  = $unpadded + (-$unpadded) % 4096;
    my $end            = $now + 1_000;

    my $header = pack 'a8 L4 Q L2 Q2 Q3 Q L2 Q4 Q Q Z64 Q',
        "wakeful\n", 0x01020304, 1, 32, $chunk_size,
        4096,
        scalar @sites, $$,
        $strings_offset, length $strings,
        $chunks_offset, $count, $count,
        0,                            # dropped
        1, 0,                         # ended in order
        $start, $start, $end, $end,
        1 << 32,                      # a tick is a nanosecond
        time * 1_000_000_000,
        'second_writer', 0;
    return $header . "\0" x (4096 - length $header) . $sites . $strings . "\0" x ($chunks_offset - $unpadded) . $chunks;
}

# ---- what happened

my ($QUEUED, $RUNNING, $DONE) = (1, 2, 4);
my ($RECV, $CLOSE, $EPOLL_CREATE, $EPOLL_CTL, $EPOLL_WAIT) = (6, 10, 12, 13, 14);
my ($FD, $EPOLL, $EAGAIN, $EPOLLIN, $READ) = (5, 4, 11, 1, 1);

my $type = site('reader.pl:3 reader reader');

sub poll_begin {
    my ($number) = @_;
    record(31, 'runtime.pl:20 run', 1, 1, 0);                                             # queue_pop
    record(21, 'runtime.pl:21 run', 1, states($QUEUED, $RUNNING), $number);               # task_poll_begin
    $task = 1;
}

sub poll_end {
    my ($ready) = @_;
    record(22, 'runtime.pl:22 run', 1, states($RUNNING, $ready ? $DONE : 0), $ready);     # task_poll_end
    $task = 0;
}

record(1, 'main.pl:1 main main', 0, $$, 0);                                               # thread
record(2, 'runtime.pl:1 start', 0, 4, 1 + 2);                                             # runtime: wakes, a reactor
call($EPOLL_CREATE, 'runtime.pl:2 start', 0, 0, $EPOLL);

record(10, 'main.pl:4 main', 0, $type, 1);                                                # future_new
record(20, 'main.pl:5 main', 1, $type, 1);                                                # task_spawn
record(30, 'runtime.pl:10 spawn', 1, 1, 1);                                               # queue_push
record(35, 'main.pl:6 main', 0, 0, 0);                                                       # run_begin

poll_begin(1);
call($RECV, 'reader.pl:7 poll', $FD, 64, -$EAGAIN);
record(60, 'reader.pl:7 poll', 1, $FD, 0);                                                # register_begin
call($EPOLL_CTL, 'runtime.pl:40 register', $FD, 1, 0);
record(61, 'reader.pl:7 poll', 1, $FD, 0);                                                # register_end
record(40, 'reader.pl:7 poll', 1, 0, 0);                                                  # waker_clone
record(44, 'reader.pl:7 poll', 1, $READ, $FD);                                            # wait
poll_end(0);

record(31, 'runtime.pl:20 run', 0, 1, 0);                                                 # queue_pop: empty
record(63, 'runtime.pl:50 turn', 0, 0, -1);                                               # turn_begin
record(70, 'runtime.pl:51 turn', 0, $EPOLL_WAIT, $EPOLL | 0xffffffff << 32);              # syscall_begin: for ever
$now += 2_000_000;
record(71, 'runtime.pl:51 turn', 0, $EPOLL_WAIT, 1);                                      # syscall_end
record(65, 'runtime.pl:52 turn', 0, $FD, $EPOLLIN);                                       # ready
record(45, 'runtime.pl:53 turn', 0, $READ, $FD);                                          # wait_end
record(42, 'runtime.pl:54 turn', 1, 0, 1);                                                # wake_begin
record(30, 'runtime.pl:12 wake', 1, 1, 1);                                                # queue_push
record(43, 'runtime.pl:54 turn', 1, states(0, $QUEUED), 1);                               # wake_end
record(64, 'runtime.pl:55 turn', 0, 1, 0);                                                # turn_end

poll_begin(2);
call($RECV, 'reader.pl:7 poll', $FD, 64, 20);
record(4, 'reader.pl:9 poll bytes read', 1, 0, 20);                                       # note
record(62, 'reader.pl:10 poll', 1, $FD, 0);                                               # deregister
call($EPOLL_CTL, 'runtime.pl:44 deregister', $FD, 2, 0);
call($CLOSE, 'reader.pl:10 poll', $FD, 0, 0);
record(13, 'reader.pl:11 poll', 1, $type, 1);                                             # future_drop
poll_end(1);

record(25, 'runtime.pl:23 run', 1, 0, 0);                                                 # task_free
record(36, 'main.pl:6 main', 0, 0, 0);                                                       # run_end
call($CLOSE, 'runtime.pl:60 stop', $EPOLL, 0, 0);
record(3, 'runtime.pl:61 stop', 0, 0, 0);                                                 # runtime_end

open my $file, '>', $ARGV[0] or do { print STDERR "second_writer: $ARGV[0]: $!\n"; exit 2 };
binmode $file;
print $file recording();
close $file or do { print STDERR "second_writer: $ARGV[0]: $!\n"; exit 2 };
