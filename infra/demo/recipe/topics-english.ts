// What people ask about, in English: three work settings, each with things and issues. An issue's questions and answers fit each other.
// Longer than other files because it is a list, one thing a line.
// {thing} (with a qualifier now and then) {code} {place} {day} {count} are filled from the conversation's slots.
import type { SettingTopics } from "./setting-topics.ts"

const customerSupport: SettingTopics = {
  qualifiers: [
    "blue ",
    "black ",
    "red ",
    "white ",
    "green ",
    "large ",
    "small ",
    "new ",
    "used ",
    "gift wrapped ",
    "silver ",
    "limited edition ",
  ],
  things: [
    "vacuum cleaner",
    "phone case",
    "water bottle",
    "yoga mat",
    "bicycle light",
    "cook book",
    "winter jacket",
    "running shoes",
    "board game",
    "wall clock",
    "coffee grinder",
    "travel pillow",
    "kettle",
    "headset",
    "rice cooker",
    "desk lamp",
    "backpack",
    "keyboard",
    "air purifier",
    "tablet",
    "office chair",
    "camera",
    "umbrella",
    "toaster",
    "smart watch",
    "fan heater",
    "blender",
    "sofa cover",
  ],
  issues: [
    {
      questions: ["my {thing} has not arrived since {day}, order {code}.", "where is the {thing} I ordered on {day}?"],
      answers: [
        "The {thing} left our {place} depot and is on its way.",
        "Your {thing} is with the carrier in {place} and arrives soon.",
      ],
    },
    {
      questions: ["the {thing} arrived broken on {day}.", "I opened the box and the {thing} is cracked."],
      answers: [
        "We send a new {thing} from {place} and collect the broken one.",
        "The broken {thing} will be replaced at no cost.",
      ],
    },
    {
      questions: ["I was charged {count} times for one {thing}.", "why do I see {count} payments for the {thing}?"],
      answers: [
        "The extra payment for the {thing} will be returned to your card.",
        "Only one payment stays; the others for the {thing} are cancelled.",
      ],
    },
    {
      questions: [
        "I want to return the {thing} I bought in {place}.",
        "can I send back the {thing} after {count} days?",
      ],
      answers: [
        "You can return the {thing} free of charge with the label in the box.",
        "A return of the {thing} is possible at the {place} store.",
      ],
    },
    {
      questions: ["the {thing} stopped working after {count} days.", "my {thing} will not turn on since {day}."],
      answers: [
        "Reset the {thing} with the small button on its back.",
        "The {thing} is under warranty, and our {place} workshop repairs it.",
      ],
    },
    {
      questions: ["how do I change the address for order {code}?", "please send the {thing} to {place} instead."],
      answers: [
        "The address for the {thing} can still be changed on the order page.",
        "We changed the delivery of the {thing} to {place}.",
      ],
    },
    {
      questions: ["I got the wrong color of {thing}.", "I ordered {count} of the {thing} but one is missing."],
      answers: [
        "The right {thing} goes out from {place} on {day}.",
        "The missing {thing} is packed again and sent to you.",
      ],
    },
    {
      questions: ["I cannot log in to track my {thing}.", "the coupon {code} does not work for the {thing}."],
      answers: [
        "Your account for the {thing} was locked and is open again.",
        "The page for the {thing} is repaired and works again since {day}.",
      ],
    },
  ],
}

const manufacturing: SettingTopics = {
  qualifiers: [
    "old ",
    "second ",
    "left ",
    "right ",
    "spare ",
    "upper ",
    "lower ",
    "automatic ",
    "heavy ",
    "rebuilt ",
    "rented ",
    "high speed ",
  ],
  things: [
    "grinding wheel",
    "paint booth",
    "crane",
    "vacuum chamber",
    "feeder",
    "bending machine",
    "heat exchanger",
    "turntable",
    "labeling unit",
    "ultrasonic washer",
    "forklift charger",
    "injection unit",
    "press",
    "lathe",
    "conveyor",
    "welding robot",
    "milling machine",
    "spindle",
    "hydraulic pump",
    "cutter",
    "drill",
    "furnace",
    "packing machine",
    "coolant valve",
    "gearbox",
    "laser cutter",
    "air compressor",
    "mold",
  ],
  issues: [
    {
      questions: ["how do I replace the blade of the {thing} on line {count}?", "the blade of the {thing} is worn."],
      answers: [
        "Loosen the bolts of the {thing} and change the blade as a set.",
        "Take the worn blade out of the {thing} and fit the new one.",
      ],
    },
    {
      questions: ["the {thing} shows alarm {code}.", "what does alarm {code} on the {thing} mean?"],
      answers: [
        "The alarm says that the {thing} runs too hot.",
        "The sensor of the {thing} is dirty, so clean it with a dry cloth.",
      ],
    },
    {
      questions: ["the {thing} vibrates since the {day} shift.", "why does the {thing} make noise at high speed?"],
      answers: [
        "A bearing of the {thing} is loose and must be tightened.",
        "The {thing} is out of balance, so align its shaft again.",
      ],
    },
    {
      questions: ["how do I set the {thing} for part {code}?", "which setting does the {thing} need for lot {code}?"],
      answers: [
        "Load the program for the part and zero the {thing}.",
        "Set the stop of the {thing} and run one trial part.",
      ],
    },
    {
      questions: ["oil leaks from the {thing} in cell {count}.", "there is oil under the {thing} since {day}."],
      answers: [
        "Change the seal of the {thing} and fill the oil again.",
        "Tighten the hose of the {thing} and wipe the floor.",
      ],
    },
    {
      questions: ["{count} parts from the {thing} have burrs.", "parts of the {thing} are out of size since {day}."],
      answers: [
        "The tool of the {thing} is worn, so change it and sort the lot.",
        "Correct the offset of the {thing} and check the next parts.",
      ],
    },
    {
      questions: ["how often must the {thing} be greased?", "when is the next service of the {thing}?"],
      answers: [
        "Grease the {thing} at the start of every {day} shift.",
        "The {thing} is serviced with the {place} team on {day}.",
      ],
    },
    {
      questions: ["a part is stuck inside the {thing}.", "the {thing} on line {count} jams again and again."],
      answers: [
        "Open the guard of the {thing} and pull the part out with the hook.",
        "The guide of the {thing} is bent and has to be set straight.",
      ],
    },
  ],
}

const internalDocuments: SettingTopics = {
  qualifiers: [
    "new ",
    "final ",
    "quarterly ",
    "regional ",
    "draft ",
    "joint ",
    "annual ",
    "signed ",
    "translated ",
    "revised ",
    "archived ",
    "monthly ",
  ],
  things: [
    "price list",
    "test protocol",
    "shift schedule",
    "data inventory",
    "quality manual",
    "incident report",
    "parking rule",
    "supplier contract",
    "interview form",
    "archive index",
    "retirement guide",
    "emergency plan",
    "travel policy",
    "budget plan",
    "meeting minutes",
    "onboarding guide",
    "sales report",
    "security policy",
    "contract draft",
    "audit report",
    "leave form",
    "project plan",
    "style guide",
    "purchase request",
    "risk list",
    "release notes",
    "training plan",
    "expense report",
  ],
  issues: [
    {
      questions: ["who updates the {thing} for {place}?", "is the {thing} of the {place} office up to date?"],
      answers: [
        "The {thing} for {place} is being updated now.",
        "The {place} team keeps the {thing} on the shared drive.",
      ],
    },
    {
      questions: ["where do I find version {count} of the {thing}?", "which version of the {thing} is valid?"],
      answers: [
        "Version {count} of the {thing} is valid.",
        "The valid {thing} is in the folder of the {place} office.",
      ],
    },
    {
      questions: ["what did we decide on {day} about the {thing}?", "please summarize the {thing} from {day}."],
      answers: [
        "On {day} the {thing} was approved with {count} changes.",
        "The {thing} was moved to the next meeting on {day}.",
      ],
    },
    {
      questions: ["who approves the {thing} {code}?", "does the {thing} {code} need approval?"],
      answers: [
        "The {thing} needs one approval from the {place} office.",
        "The head of the {place} team approves the {thing}.",
      ],
    },
    {
      questions: ["may I share the {thing} with a partner?", "is the {thing} confidential?"],
      answers: [
        "The {thing} is for internal use and may not be shared.",
        "A partner may see the summary of the {thing} only.",
      ],
    },
    {
      questions: ["the {thing} has {count} open comments.", "who answers the comments in the {thing}?"],
      answers: [
        "The comments in the {thing} are closed after the {day} review.",
        "{count} comments in the {thing} wait for the {place} team.",
      ],
    },
    {
      questions: ["when is the {thing} for {place} due?", "can the {thing} be handed in after {day}?"],
      answers: [
        "The {thing} for {place} is collected every {day}.",
        "The {thing} can be handed in late with a short note.",
      ],
    },
    {
      questions: ["the numbers in the {thing} {code} do not match.", "I found {count} errors in the {thing}."],
      answers: [
        "The table of the {thing} is corrected and checked again.",
        "The errors in the {thing} come from the old {place} data.",
      ],
    },
  ],
}

export const englishTopics = { customerSupport, manufacturing, internalDocuments }

export const englishOpenings = ["", "", "Hello, ", "Hi, ", "Question: ", "Excuse me, ", "Good morning, "]
export const englishClosings = ["", "", " What should I do?", " Can you help?", " Please advise.", " Thanks."]
