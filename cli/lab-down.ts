import { removeLab } from "../lab/mod.ts";
import { type LabChoice, needRoot } from "./lab-choice.ts";

/** `ironbridge lab down`. */
export async function labDown({ directory, tag }: LabChoice): Promise<void> {
  needRoot("lab down");
  const { processes, namespaces } = await removeLab(directory, tag);
  if (processes + namespaces === 0) console.log("no lab was running");
  else console.log(`lab removed: ${namespaces} network namespaces with all that ran in them, and ${directory.path}`);
}
