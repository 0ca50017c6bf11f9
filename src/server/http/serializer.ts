import { FalServerlessError } from "../../errors.ts";
import { JSON_FORM, sendable, UnsendableError, type Form } from "../../json/sendable.ts";
import type { CompiledSchema } from "../validation/validator.ts";

/**
 * Creates a function that validates a result and turns it into JSON, without fields that are missing in the schema.
 * @throws OutputValidationError for a result that does not fit
 * @throws FalServerlessError for values that JSON can't represent
 */
export function createSerializer(
  output: CompiledSchema | undefined,
  methodName: string,
): (value: unknown) => string {
  const present = createPresenter(output, methodName, JSON_FORM);
  const stringify = (value: unknown): string => JSON.stringify(present(value)) ?? "null";
  if (output === undefined) return stringify;
  return (value) => {
    const { writer } = output;
    return writer !== undefined && output.fits(value) && writer.isOrdinary(value)
      ? writer.write(value)
      : stringify(value);
  };
}

/**
 * Creates a function that validates a result and reduces it to the fields of its schema, as data of the given form.
 */
export function createPresenter(
  output: CompiledSchema | undefined,
  methodName: string,
  form: Form | undefined,
): (value: unknown) => unknown {
  return (value) => {
    try {
      // Such a value has nothing to convert, whatever the form: two walks over it less.
      if (output?.writer !== undefined && output.fits(value) && output.writer.isOrdinary(value)) {
        return output.reduce(value, methodName);
      }
      const presented = output === undefined ? value : output.present(value, methodName);
      return form === undefined ? presented : sendable(presented, form);
    } catch (error) {
      throw explained(error, value, methodName, form ?? JSON_FORM);
    }
  };
}

function explained(error: unknown, value: unknown, methodName: string, form: Form): unknown {
  let known = error;
  if (error instanceof RangeError) {
    // Stack overflow, mostly caused by a circular value.
    try {
      sendable(value, form);
    } catch (found) {
      if (found instanceof UnsendableError) known = found;
    }
  }
  if (!(known instanceof UnsendableError)) return known;
  return new FalServerlessError(
    "OUTPUT_UNSENDABLE",
    `${methodName}() returned what ${form.name} can't carry: ${known.message}.`,
    { cause: known.cause },
  );
}
