# Takes TCP connections on one address and gives each to a command as its standard input and output, as inetd does.
# usage: listen.pl ADDRESS PORT PID_FILE COMMAND…
#
# Why not sshd's own listener: the socket must be on this machine's loopback while what runs behind it must be in the
# host's network namespace. Ended by SIGTERM, it takes its connections with it, as a host that goes down does.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my ($address, $port, $pid_file, @command) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => 1024, ReuseAddr => 1)
  or die "cannot listen on $address:$port: $!\n";

# The parent ends only now, when connections are taken.
my $daemon = fork() // die "cannot fork: $!\n";
exit 0 if $daemon;
POSIX::setsid();
open(my $file, '>', $pid_file) or die "$pid_file: $!\n";
print $file "$$\n";
close $file;

my %children;
$SIG{TERM} = sub { kill 'KILL', keys %children; exit 0 };
while (1) {
    my $connection = $listener->accept;
    while ((my $ended = waitpid(-1, POSIX::WNOHANG)) > 0) { delete $children{$ended} }
    next unless $connection;
    my $child = fork();
    if (!defined $child) { warn "cannot fork: $!\n"; next }
    if (!$child) {
        $SIG{TERM} = 'DEFAULT';
        close $listener;
        POSIX::dup2(fileno $connection, $_) for 0, 1;
        close $connection;
        exec { $command[0] } @command or die "$command[0]: $!\n";
    }
    $children{$child} = 1;
    close $connection;
}
