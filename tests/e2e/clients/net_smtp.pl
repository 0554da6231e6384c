# Perl's Net::SMTP sends the letter that stands in JSON on standard input.
use strict;
use warnings;
use Encode qw(encode);
use JSON::PP;
use MIME::Base64;
use Net::SMTP;

sub refused {
    my ($smtp, $what) = @_;
    print STDERR "$what: ", $smtp->code, " ", $smtp->message, "\n";
    $smtp->quit;
    exit 1;
}

sub whole {
    my ($file) = @_;
    local $/;
    return <$file>;
}

my $letter = decode_json(whole(*STDIN));
my %ssl = (SSL_ca_file => $letter->{ca});
my $smtp = Net::SMTP->new($letter->{host}, Port => $letter->{port}, Timeout => 60,
    $letter->{implicit} ? (SSL => 1, %ssl) : ()) or die "no connection: $@\n";
if (!$letter->{implicit}) {
    $smtp->starttls(%ssl) or refused($smtp, "starttls");
}
$smtp->auth($letter->{user}, $letter->{password}) or refused($smtp, "auth");
$smtp->mail($letter->{sender}) or refused($smtp, "mail");
for my $to (@{$letter->{to}}, @{$letter->{cc}}, @{$letter->{bcc}}) {
    $smtp->to($to) or refused($smtp, "to");
}

my $subject = encode("MIME-Header", $letter->{subject});
my $text = encode("UTF-8", $letter->{text});
my ($to, $cc) = map { join ", ", @$_ } $letter->{to}, $letter->{cc};
open(my $file, "<:raw", $letter->{file}) or die "no file: $!\n";
my $attached = encode_base64(whole($file));
$smtp->data or refused($smtp, "data");
$smtp->datasend(<<"END");
From: $letter->{sender}
To: $to
Cc: $cc
Subject: $subject
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=between="

--=between=
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

END
$smtp->datasend($text);
$smtp->datasend("\n--=between=\nContent-Type: application/octet-stream\n"
    . "Content-Disposition: attachment; filename=attached.bin\n"
    . "Content-Transfer-Encoding: base64\n\n");
$smtp->datasend($attached);
$smtp->datasend("--=between=--\n");
$smtp->dataend or refused($smtp, "dataend");
$smtp->quit;
