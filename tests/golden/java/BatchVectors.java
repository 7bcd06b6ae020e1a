/* SPDX-License-Identifier: LGPL-2.1-or-later */

import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/** Writes batches.txt: record batches v2 in every codec, and what Kafka's own reader finds in them. */
final class BatchVectors {
    private static final long TIME = 1700000000000L;

    private final Random random;
    private final PrintWriter out;

    BatchVectors(long seed, PrintWriter out) {
        this.random = new Random(seed);
        this.out = out;
    }

    /** A batch in the making; what isn't set is as an ordinary producer leaves it. */
    private static final class Spec {
        Compression codec = Compression.NONE;
        TimestampType timestampType = TimestampType.CREATE_TIME;
        long baseOffset = 0;
        long appendTime = RecordBatch.NO_TIMESTAMP;
        long producerId = RecordBatch.NO_PRODUCER_ID;
        short producerEpoch = RecordBatch.NO_PRODUCER_EPOCH;
        int sequence = RecordBatch.NO_SEQUENCE;
        boolean transactional = false;
        int leaderEpoch = RecordBatch.NO_PARTITION_LEADER_EPOCH;

        MemoryRecordsBuilder builder(boolean control) {
            return new MemoryRecordsBuilder(new ByteBufferOutputStream(1 << 16), RecordBatch.MAGIC_VALUE_V2, codec,
                timestampType, baseOffset, appendTime, producerId, producerEpoch, sequence, transactional, control,
                leaderEpoch, Integer.MAX_VALUE);
        }
    }

    void write() {
        for (Map.Entry<String, Compression> codec : codecs().entrySet()) {
            Spec spec = new Spec();
            spec.codec = codec.getValue();
            write("one-" + codec.getKey(), build(spec, List.of(record(TIME, "k", "v"))));
            write("mixed-" + codec.getKey(), build(spec, mixed()));
            write("large-" + codec.getKey(), build(spec, large()));
            spec.timestampType = TimestampType.LOG_APPEND_TIME;
            spec.appendTime = TIME + 5;
            spec.baseOffset = 1L << 40;
            spec.leaderEpoch = 7;
            write("append-time-" + codec.getKey(), build(spec, mixed()));
        }
        write("idempotent", build(idempotent(false), mixed()));
        write("transactional", build(idempotent(true), mixed()));
        write("commit", marker(ControlRecordType.COMMIT));
        write("abort", marker(ControlRecordType.ABORT));
        Spec late = new Spec();
        late.baseOffset = Long.MAX_VALUE - 100;
        late.leaderEpoch = Integer.MAX_VALUE;
        write("last-offsets", build(late, mixed()));
        write("no-timestamps", build(new Spec(), List.of(record(RecordBatch.NO_TIMESTAMP, "k", "v"),
            record(RecordBatch.NO_TIMESTAMP, null, null))));
        write("far-timestamps", build(new Spec(), List.of(record(0, "k", "v"), record(Long.MAX_VALUE, "k", "v"))));
    }

    private static Map<String, Compression> codecs() {
        Map<String, Compression> codecs = new LinkedHashMap<>();
        codecs.put("none", Compression.NONE);
        codecs.put("gzip", Compression.gzip().build());
        codecs.put("gzip-9", Compression.gzip().level(9).build());
        codecs.put("snappy", Compression.snappy().build());
        codecs.put("lz4", Compression.lz4().build());
        codecs.put("lz4-17", Compression.lz4().level(17).build());
        codecs.put("zstd", Compression.zstd().build());
        codecs.put("zstd-19", Compression.zstd().level(19).build());
        codecs.put("zstd-22", Compression.zstd().level(22).build()); // asks for a window of 128 MiB
        return codecs;
    }

    private static final class Input {
        long timestamp;
        byte[] key;
        byte[] value;
        Header[] headers = new Header[0];
    }

    private static byte[] utf8(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    private static Input record(long timestamp, String key, String value, Header... headers) {
        Input input = new Input();
        input.timestamp = timestamp;
        input.key = utf8(key);
        input.value = utf8(value);
        input.headers = headers;
        return input;
    }

    private List<Input> mixed() {
        List<Input> inputs = new ArrayList<>(List.of(
            record(TIME + 10, null, "null key"),
            record(TIME, "null value", null),
            record(TIME + 30, null, null),
            record(TIME + 30, "", ""),
            record(TIME + 20, "grün", "日本", new RecordHeader("h", utf8("1"))),
            record(TIME - 50, "k", "v", new RecordHeader("h", utf8("1")), new RecordHeader("h", utf8("2")),
                new RecordHeader("", null), new RecordHeader("empty", new byte[0]))));
        byte[] noise = new byte[200];
        random.nextBytes(noise);
        Input last = record(TIME + 1000000, "noise", null, new RecordHeader("noise", noise));
        last.value = noise;
        inputs.add(last);
        return inputs;
    }

    /** More than one block of snappy (32 KiB) and lz4 (64 KiB), but little once compressed. */
    private static List<Input> large() {
        List<Input> inputs = new ArrayList<>();
        for (int i = 0; i < 8; i++)
            inputs.add(record(TIME + i, "key " + i, "goqueue ".repeat(1500 + i)));
        return inputs;
    }

    private static MemoryRecords build(Spec spec, List<Input> inputs) {
        MemoryRecordsBuilder builder = spec.builder(false);
        for (int i = 0; i < inputs.size(); i++) {
            Input input = inputs.get(i);
            builder.appendWithOffset(spec.baseOffset + i, input.timestamp, input.key, input.value, input.headers);
        }
        return builder.build();
    }

    private static Spec idempotent(boolean transactional) {
        Spec spec = new Spec();
        spec.producerId = 4000000000L;
        spec.producerEpoch = Short.MAX_VALUE;
        spec.sequence = Integer.MAX_VALUE - 1;
        spec.transactional = transactional;
        return spec;
    }

    private static MemoryRecords marker(ControlRecordType type) {
        Spec spec = new Spec();
        spec.producerId = 77;
        spec.producerEpoch = 3;
        spec.transactional = true;
        spec.baseOffset = 1234;
        MemoryRecordsBuilder builder = spec.builder(true);
        builder.appendEndTxnMarker(TIME, new EndTransactionMarker(type, 9));
        return builder.build();
    }

    private void write(String name, MemoryRecords records) {
        MutableRecordBatch batch = records.batches().iterator().next();
        ByteBuffer bytes = records.buffer();
        long baseTimestamp = bytes.getLong(27);
        batch.ensureValid();
        out.println("batch " + name);
        out.printf("header %d %d %d %d %d %d %d %d %d %d%n", batch.baseOffset(), batch.partitionLeaderEpoch(),
            bytes.getShort(21), batch.lastOffset() - batch.baseOffset(), baseTimestamp, batch.maxTimestamp(),
            batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.countOrNull());
        for (Record record : batch)
            writeRecord(record);
        out.println("bytes " + Hex.of(bytes));
    }

    private void writeRecord(Record record) {
        StringBuilder line = new StringBuilder("record " + record.offset() + " " + record.timestamp());
        line.append(" ").append(packed(record.hasKey() ? record.key() : null));
        line.append(" ").append(packed(record.hasValue() ? record.value() : null));
        for (Header header : record.headers())
            line.append(" ").append(Hex.of(utf8(header.key()))).append("=").append(Hex.of(header.value()));
        out.println(line);
    }

    /** Hex, or N*hex for large repetitions of eight bytes. */
    private static String packed(ByteBuffer buffer) {
        if (buffer == null)
            return "-";
        int n = buffer.remaining() / 8;
        if (n < 100 || buffer.remaining() % 8 != 0)
            return Hex.of(buffer);
        ByteBuffer first = buffer.slice(buffer.position(), 8);
        for (int i = 0; i < n; i++)
            if (!buffer.slice(buffer.position() + 8 * i, 8).equals(first))
                return Hex.of(buffer);
        return n + "*" + Hex.of(first);
    }
}
