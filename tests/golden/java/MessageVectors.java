/* SPDX-License-Identifier: LGPL-2.1-or-later */

import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.function.Supplier;

import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.Schema;

/** Writes messages.txt: each API and version that goqueue serves, both directions, each filled in several ways. */
final class MessageVectors {
    /** Key, first and last version. */
    private static final int[][] APIS = {
        { 0, 3, 11 },  // Produce
        { 1, 4, 13 },  // Fetch
        { 2, 1, 7 },   // ListOffsets
        { 3, 0, 12 },  // Metadata
        { 10, 0, 4 },  // FindCoordinator
        { 18, 0, 4 },  // ApiVersions
        { 19, 2, 7 },  // CreateTopics
        { 20, 1, 6 },  // DeleteTopics
        { 21, 0, 2 },  // DeleteRecords
        { 22, 0, 4 },  // InitProducerId
        { 23, 2, 4 },  // OffsetForLeaderEpoch
        { 32, 1, 4 },  // DescribeConfigs
        { 33, 0, 2 },  // AlterConfigs
        { 35, 1, 4 },  // DescribeLogDirs
        { 37, 0, 3 },  // CreatePartitions
        { 44, 0, 1 },  // IncrementalAlterConfigs
        { 45, 0, 1 },  // AlterPartitionReassignments
        { 46, 0, 0 },  // ListPartitionReassignments
        { 60, 0, 2 },  // DescribeCluster
        { 61, 0, 0 },  // DescribeProducers
    };
    private static final int RANDOM_FILLINGS = 6;

    private final long seed;
    private final PrintWriter out;

    MessageVectors(long seed, PrintWriter out) {
        this.seed = seed;
        this.out = out;
    }

    void write() throws ReflectiveOperationException {
        for (short version = 1; version <= 2; version++)
            message("request_header", version, false, RequestHeaderData::new, RequestHeaderData.SCHEMAS[version]);
        for (short version = 0; version <= 1; version++)
            message("response_header", version, false, ResponseHeaderData::new, ResponseHeaderData.SCHEMAS[version]);
        for (int[] api : APIS) {
            ApiMessageType type = ApiMessageType.fromApiKey((short) api[0]);
            String name = type.name.replaceAll("(?<=.)([A-Z])", "_$1").toLowerCase(Locale.ROOT);
            for (short version = (short) api[1]; version <= api[2]; version++) {
                boolean last = version == api[2];
                message(name + "_request", version, last, type::newRequest, type.requestSchemas()[version]);
                message(name + "_response", version, last, type::newResponse, type.responseSchemas()[version]);
            }
        }
    }

    private void message(String name, short version, boolean last, Supplier<Message> make, Schema schema)
        throws ReflectiveOperationException {
        Set<String> written = new HashSet<>();
        for (Filler.Filling filling : Filler.Filling.values()) {
            if (filling == Filler.Filling.MANY && !last)
                continue;
            for (int i = 0; i < (filling == Filler.Filling.RANDOM ? RANDOM_FILLINGS : 1); i++) {
                String hex = encode(make, schema, version, filling, random(name, version, filling, i), null);
                if (written.add(hex))
                    line(name, version, filling.toString(), hex);
            }
        }
        String known = encode(make, schema, version, Filler.Filling.FULL,
            random(name, version, Filler.Filling.FULL, 0), null);
        String unknown = encode(make, schema, version, Filler.Filling.FULL,
            random(name, version, Filler.Filling.FULL, 0), random(name, version, Filler.Filling.FULL, 1));
        if (!known.equals(unknown))
            line(name, version, "UNKNOWN_TAGS", unknown + " " + known);
    }

    private void line(String name, short version, String filling, String rest) {
        out.println(name + " " + version + " " + filling.toLowerCase(Locale.ROOT) + " " + rest);
    }

    /** Depends on nothing but its arguments, so that a new API doesn't change the vectors of the others. */
    private Random random(String name, short version, Filler.Filling filling, int i) {
        return new Random(seed ^ ((long) (name + "/" + version + "/" + filling + "/" + i).hashCode() << 16));
    }

    private static String encode(Supplier<Message> make, Schema schema, short version, Filler.Filling filling,
                                 Random random, Random unknownTags) throws ReflectiveOperationException {
        Message message = make.get();
        new Filler(filling, random, unknownTags).fill(message, schema);
        ByteBuffer bytes = MessageUtil.toByteBufferAccessor(message, version).buffer();
        checkRoundTrip(make.get(), bytes.duplicate(), version);
        return Hex.of(bytes);
    }

    /** Kafka's own decoder and encoder must agree about what is handed out as golden. */
    private static void checkRoundTrip(Message again, ByteBuffer bytes, short version) {
        again.read(new ByteBufferAccessor(bytes.duplicate()), version);
        ByteBuffer second = MessageUtil.toByteBufferAccessor(again, version).buffer();
        if (!second.equals(bytes))
            throw new IllegalStateException(again.getClass() + " version " + version + " doesn't round-trip");
    }
}
