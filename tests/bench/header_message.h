/*
 * header_message.h - an ordinary message, for measurements of what its header costs: 21 fields, 1.5
 * KiB, of a common mail program.
 */
#ifndef TESTS_BENCH_HEADER_MESSAGE_H
#define TESTS_BENCH_HEADER_MESSAGE_H

static const char header_message[] =
    "Return-Path: <alice@example.net>\r\n"
    "Received: from laptop.example.net (unknown [192.0.2.17])\r\n\tby relay.example.net (Postfix) "
    "with ESMTPSA id 4F2aX13mZkz1Q\r\n\tfor <bob@else.example>; Sat, 28 Nov 2026 12:00:00 +0000\r\n"
    "Message-ID: <3f1f2c6a-8c1e-4f5e-9d0a-3b7f2c1d9e55@example.net>\r\n"
    "Date: Sat, 28 Nov 2026 13:00:00 +0100\r\n"
    "MIME-Version: 1.0\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.4\r\n"
    "Subject: Re: The figures of the third quarter, and what they mean for us\r\n"
    "Content-Language: en-GB\r\n"
    "To: Bob Example <bob@else.example>, \"Carol, of sales\" <carol@sales.example.net>,\r\n"
    " Dave Example <dave@else.example>, erin@third.example\r\n"
    "Cc: =?UTF-8?Q?J=C3=B6rg?= <joerg@example.net>, frank@example.net (Frank)\r\n"
    "Bcc: grace@example.net\r\n"
    "References: <1a2b3c4d-0000-1111-2222-333344445555@else.example>\r\n"
    " <5e6f7a8b-0000-1111-2222-333344445555@example.net>\r\n"
    " <9c0d1e2f-0000-1111-2222-333344445555@else.example>\r\n"
    "In-Reply-To: <9c0d1e2f-0000-1111-2222-333344445555@else.example>\r\n"
    "From: Alice Example <alice@example.net>\r\n"
    "Reply-To: Alice Example <alice@example.net>\r\n"
    "Organization: Example Networks\r\n"
    "X-Mozilla-Draft-Info: internal/draft; vcard=0; receipt=0; DSN=0; uuencode=0\r\n"
    "Content-Type: text/plain; charset=UTF-8; format=flowed\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "X-Priority: 3 (Normal)\r\n"
    "Autocrypt: addr=alice@example.net; prefer-encrypt=mutual; keydata=mDMEZXzZwBYJKwYBBAHaRw8B\r\n"
    " AQdA8QkY3mJ0xZr0yO1iT4cW0b8m0fQb0m2n6cV3vQ9s5b60HUFsaWNlIDxhbGljZUBleGFtcGxlLm5ldD6IkAQT\r\n"
    "\r\nbody\r\n";

#endif
