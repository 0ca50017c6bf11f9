import { Type } from "typebox";

const FIELDS = 600;

/** An object of many fields. */
export const Wide = Type.Object(
  Object.fromEntries(
    Array.from({ length: FIELDS }, (_, index) => [
      `field_${index}`,
      index % 2 === 0 ? Type.String() : Type.Integer(),
    ]),
  ),
);
export const WIDE = Object.fromEntries(
  Array.from({ length: FIELDS }, (_, index) => [`field_${index}`, index % 2 === 0 ? `text ${index}` : index]),
);

const Detection = Type.Object({
  label: Type.String(),
  score: Type.Number({ minimum: 0, maximum: 1 }),
  box: Type.Object({ x: Type.Number(), y: Type.Number(), width: Type.Number(), height: Type.Number() }),
});

/** Nested lists of objects. */
export const Frames = Type.Object({
  frames: Type.Array(Type.Object({ index: Type.Integer(), detections: Type.Array(Detection) })),
});

/** A value of {@link Frames} with so many frames of 10 detections, of about 1 kB each. */
export function framesOf(count: number) {
  return {
    frames: Array.from({ length: count }, (_, index) => ({
      index,
      detections: Array.from({ length: 10 }, (_item, at) => ({
        label: `object ${at}`,
        score: 0.5,
        box: { x: at, y: index, width: 10.5, height: 20.25 },
      })),
    })),
  };
}

/** The answer to a large body. */
export const Count = Type.Object({ count: Type.Integer() });

/** The number of frames of an answer of 5 MB. */
export const HUGE = 5_800;
